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
action-clear-inbox = Clear inbox
action-clear-inbox-hint = Takes all messages out of the inbox
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
inbox-cleared = The inbox was cleared.
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

# The choice of a server
servers-title = Where is the server?
servers-about = Malote carries messages between the computers of this network. One of them is the server, which keeps and delivers everybody's messages.
servers-found = Servers found
servers-here = On this computer
servers-none = Searching the network… Servers started with malote-server --lan appear here by themselves, within a second or two.
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
