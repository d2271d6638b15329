# What malote-cli says.

cli-about = Malote on the command line: messages over the local network
cli-help-server = Server, as computer:port
cli-help-profile = Profile to use (without it, the first free one: 0, 1, 2, …)
cli-help-json = One JSON object a line, for programs
cli-help-lang = Language of messages: pt-BR or en
cli-help-timeout = How many seconds to wait for the server
cli-help-to = Recipients, separated by commas
cli-help-subject = Subject
cli-help-body = The message; - reads standard input
cli-help-fingerprint = The fingerprint of the new key, as the server shows it
cli-command-whoami = Shows who you are at this server
cli-command-send = Sends a message and waits for the answers
cli-command-inbox = Fetches and shows the inbox
cli-command-watch = Shows each message as it arrives, until interrupted
cli-command-clear = Clears the inbox
cli-command-people = Lists people and who is connected
cli-command-trust = Accepts the new key of a server that has changed

cli-not-reached = The server could not be reached within { $seconds } s.
cli-kept = The message is kept and goes out next time.
cli-not-kept = The message was neither kept nor sent.
cli-body-unreadable = Standard input is not text in UTF-8. The message was not sent.
cli-input-failed = The message could not be read from standard input: { $reason }.
cli-no-messages = No messages.
cli-cleared =
    { $count ->
        [0] The inbox was empty already.
        [one] One message taken out of the inbox.
       *[other] { $count } messages taken out of the inbox.
    }
cli-from-to = { $from } to { $to }
cli-state = { $to }: { $state }
cli-state-reason = { $to }: { $state } ({ $reason })
cli-connected = connected
cli-away = away
cli-you = you
cli-trusted = From now on the key of the server { $server } is { $fingerprint }.
cli-bad-fingerprint = This is not a key's fingerprint. Copy the one that the server shows when it starts: SHA256: and 64 digits.

cli-command-doctor = Tests the connection to the server, step by step
cli-command-servers = Looks for servers on the local network
cli-doctor-passed = { $step }: fine. { $detail }
cli-doctor-failed = { $step }: FAILED. { $detail }
cli-doctor-not-reached = { $step }: { $detail }
cli-found = { $name }  { $address }
cli-found-here = on this computer
cli-none-found = No server was found. Those that are started with malote-server --lan appear here.
# Rooms and names
cli-help-room = The room, with or without #
cli-help-name = The name to take (without it, back to the one that the server gave)
cli-command-rooms = Lists rooms, how many people are in each, and whether you are
cli-command-join = Enters a room, and makes it if there is none
cli-command-leave = Leaves a room
cli-command-members = Lists who is in a room that you are in, and who is connected
cli-command-name = Takes a name of your choice, or gives it up
cli-room =
    { $count ->
        [one] { $room }  1 person
       *[other] { $room }  { $count } people
    }
cli-room-member =
    { $count ->
        [one] { $room }  1 person  you are in it
       *[other] { $room }  { $count } people  you are in it
    }
cli-created = The room { $room } is new, and you are in it.
cli-entered = You are in the room { $room }.
cli-left = You are not in the room { $room } any more.
cli-not-in-room = You are not in the room { $room }. Enter it first, with malote-cli join.
cli-named = You are called { $name } now.

# Search
cli-help-words = Words, or how they begin: finds the messages that have all of them
cli-command-search = Searches what was received and sent, newest first
cli-nothing-found = Nothing found.
cli-found-newest = Only the newest { $count } are shown. More words find fewer.
