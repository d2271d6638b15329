# What the window says.

app-name = Malote
window-title = { $name } — Malote — { $server }
window-title-offline = { $name } — Malote — { $server } (not connected)
window-title-unknown = Malote — { $server }

window-help-server = Server, as host:port (without it, the one chosen before, or the window asks)
window-help-profile = Profile to use (without it, the first free one: 0, 1, 2, …)
window-help-lang = Language of the window: pt-BR or en
window-help-theme = Appearance: system, light or dark
window-help-geometry = Size and position of the window, like 640x700+0+0
window-about = Malote's window: messages over the local network

# Actions: label and hint
action-send = Send
action-send-hint = Sends the message (Ctrl+Enter)
action-clear-form = Clear
action-clear-form-hint = Empties recipient, subject and message
action-new = New message
action-new-hint = Begins a new message (Ctrl+N)
action-reply = Reply
action-reply-hint = Replies to the author (Ctrl+R)
action-close = Close
action-close-hint = Closes the open message (Esc)
action-clear-list = Clear list
action-clear-list-hint = Takes all messages out of this list
action-undo = Undo
action-connect-now = Try now
action-trust = Trust the new key
action-trust-confirm = Yes, trust this key
action-edit-again = Edit and send again
action-edit-again-hint = Puts this message back into the form

# Form
form-to = To
form-to-hint = Usuario1, Usuario2
form-subject = Subject
form-subject-hint = No subject
form-body = Message
form-body-hint = Write here
form-reply = Reply to { $name }
form-cleared = The form was emptied.
form-kept = What you wrote is still here.
form-last-sent = Last sent: “{ $subject }”, { $state }
suggestion-connected = { $name }, connected
suggestion-away = { $name }, away

# Lists
inbox = Inbox
inbox-unread = Inbox ({ $count })
inbox-empty = No messages.
inbox-empty-hint = What people write to you appears here.
list-cleared = The list was cleared.
sent = Sent
sent-empty = Nothing sent yet.
sent-empty-hint = What you send appears here, with what became of each message.
row-unread = Unread, from { $name }: { $subject }, { $time }
row-read = From { $name }: { $subject }, { $time }
row-sent = To { $name }: { $subject }, { $state }
recipients-more = { $first } and { $count } more

# Reading
letter-to = To
state-at = { $state } { $time }

# Status
status-online = Connected to { $server }
status-connecting = Connecting to { $server }…
status-offline = Not connected to { $server }; trying again
status-stopped = Not connected to { $server }
status-people =
    { $count ->
        [0] nobody connected
        [one] 1 person connected
       *[other] { $count } people connected
    }
options = Options
options-tell-read = Tell authors when I open their messages
options-server-key = Key of the server, to compare with the one that it shows when it starts:
trust-question = Confirm only if whoever looks after the server said that the key has really changed.
fatal-title = Malote cannot open

# Dates, in strftime's format
time-today = %H:%M
time-year = %b %-d
time-older = %Y-%m-%d
time-full = %Y-%m-%d %H:%M

# Places: inbox, rooms and people
rooms = Rooms
people = People
people-in-room = In { $room }
everybody = Everybody
you = You
place-you = { $name } (you)
place-unread =
    { $count ->
        [one] { $name }, 1 unread
       *[other] { $name }, { $count } unread
    }
author-to-everybody = { $name } to everybody
room-empty-hint = What is written in this room appears here.
person-empty-hint = What this person writes to you appears here.
room-company =
    { $count ->
        [one] 1 person in the room
       *[other] { $count } people in the room
    }, { $connected ->
        [0] nobody connected
       *[other] { $connected } connected
    }
room-members =
    { $count ->
        [0] nobody
        [one] 1 person
       *[other] { $count } people
    }
room-finder-hint = Enter a room of the list, or type the name of a new one:
room-finder-example = #building
notice-entered = { $name } entered the room ({ $time })
notice-left = { $name } left the room ({ $time })
notice-connected = { $name } connected ({ $time })
notice-disconnected = { $name } disconnected ({ $time })
action-rooms = + Enter
action-rooms-hint = Shows the rooms that there are, to enter one or make another (Ctrl+J)
action-find-room = Enter or create
action-enter-room = Enter
action-enter-room-spoken = Enter { $room }
action-show-room = Open
action-show-room-spoken = Open { $room }
action-leave-room = Leave room
action-leave-room-hint = You no longer receive what is written here; what has come already is kept
action-ask-name = Change my name…
action-take-name = Use this name
action-skip-name = Not now
naming-first = Hello! You are { $name } here. Would you like a name?
naming-first-hint = It is the name that others see, and write to. You can change it later by clicking on it below.
naming-change = You are { $name }. What would you like to be called?
naming-change-hint = Leave it empty to go back to { $given }, which always works as well.
form-everybody =
    { $count ->
        [one] This message goes to everybody: 1 more person. Send it?
       *[other] This message goes to everybody: { $count } more people. Send it?
    }
action-send-everybody = Send to everybody
action-do-not-send = Back

# The choice of a server
servers-title = Where is the server?
servers-about = Malote carries messages between the computers of this network. One of them is the server, which keeps and delivers everybody's messages.
servers-found = Servers found
servers-here = On this computer
servers-none = Searching the network… Servers started with malote-server --lan appear here by themselves. If none does, type the address below.
servers-search-again = Search again
servers-type = Or type the address
servers-type-hint = 192.168.0.10
servers-connect = Connect
servers-back = Go back to { $server }
servers-failed = Something went wrong while leaving the server. Close Malote and open it again; what you wrote is kept.
action-change-server = Change server…

# I cannot connect
action-diagnose = I cannot connect
action-diagnose-again = Test again
action-back = Back
doctor-title = I cannot connect
doctor-passed = fine
doctor-failed = failed
doctor-skipped = not tested
doctor-testing = testing…
doctor-waiting = waits its turn

# Search
action-search = Search
action-search-hint = Searches all messages (Ctrl+F)
action-end-search = Close search
action-end-search-hint = Goes back to the list (Esc)
search-hint = Search (Ctrl+F)
found =
    { $count ->
        [0] Search
        [one] 1 found
       *[other] { $count } found
    }
found-newest = The newest { $count }
found-none = Nothing found.
found-none-hint = Try fewer words, or only how they begin. Capitals and accents make no difference.
found-row = { $row }, in { $place }
