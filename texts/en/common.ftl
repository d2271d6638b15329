# What all of Malote's programs say.

no-subject = No subject
damaged-subject = Damaged message
damaged-body = The server's disk has damaged this message, and what it said is lost. Its author was told, if it is still known who that was, and can send it again. Tell whoever looks after the server: its disk needs to be checked.

# Recipients
recipient-empty = Write whom the message is for, for example Usuario1.
recipient-too-long = The name “{ $typed }” is too long: a name has at most { $max } characters.
recipient-character = The character “{ $character }” cannot be part of a name (“{ $typed }”). Separate several recipients with commas.
recipient-space = A name has no spaces in it (“{ $typed }”). Separate several recipients with commas.
recipient-not-everybody = After @ only “todos” can follow. To write to one person, use their name without @.
recipient-too-many = A message can have at most { $max } recipients.
subject-too-long = The subject is too long: it has { $bytes } bytes and may have { $max }. Move a part of it into the message.
body-too-long = The message is too long: it has { $bytes } bytes and may have { $max }. Split it into two or more.
unknown-recipient = Nobody here is called { $name }.

# States of a sent message
state-queued = queued
state-accepted = accepted
state-delivered = delivered
state-read = read
state-refused = refused
state-queued-count =
    { $count ->
        [one] 1 queued
       *[other] { $count } queued
    }
state-accepted-count =
    { $count ->
        [one] 1 accepted
       *[other] { $count } accepted
    }
state-delivered-count =
    { $count ->
        [one] 1 delivered
       *[other] { $count } delivered
    }
state-read-count =
    { $count ->
        [one] 1 read
       *[other] { $count } read
    }
state-refused-count =
    { $count ->
        [one] 1 refused
       *[other] { $count } refused
    }
refused-unknown_recipient = there is nobody, and no room, of that name
refused-not_a_member = only those who are in the room can write to it
refused-too_large = it is too large for this server
refused-invalid = the server did not take the request
refused-damaged = a disk damaged it before it arrived; if it still matters, send it again
refused-expired = it could not be sent within 14 days
refused-server_replaced = it was written for the server that was there before; write it again if it still holds
waiting-mailbox_full = the recipient's mailbox is full; it will be tried again soon
waiting-server_full = the server's disk is full; it will be tried again soon
waiting-out_of_turn = it waits its turn behind an earlier message
waiting-unknown_recipient = the server was restored and does not know this recipient yet; it will be tried again
waiting-not_a_member = the server was restored and is still putting you back into this room; it will be tried again
waiting-rate_limited = many messages at once; it goes out in a moment

# Connection
connect-refused = There is no Malote server at { $server }. Check the address, and that malote-server is running on that computer.
connect-name = The name “{ $server }” leads to no computer on this network. Check that it is spelled right.
connect-unreachable = The computer { $server } does not answer. Check the cable or the Wi-Fi, and that it is switched on.
connect-not-malote = What answers at { $server } is not a Malote server. Check the port (Malote's is { $port }).
connect-key-changed =
    The key of the server { $server } has changed. Another computer may be pretending to be it, or it was reinstalled.
    Nothing was sent, and what you wrote is kept. Ask whoever looks after the server whether this is its new key:
    { $found }
connect-version = The server { $server } speaks another version of Malote. Update the older of the two programs.
connect-lost = The connection to { $server } was lost.
connect-silent = The server { $server } has stopped answering.
connect-full = The server { $server } is full. Malote keeps trying.
connect-superseded = This profile was opened somewhere else, and that connection has taken this one's place.
connect-stopping = The server { $server } is being stopped. Malote will try again by itself.
connect-refused-proof = The server { $server } did not recognise this profile's key.

# Profile
profile-in-use = The profile “{ $profile }” is in use by another window or command. Close it, or choose another with --profile NAME.
profile-name = “{ $profile }” cannot be a profile's name: use letters, digits, dots, hyphens or underscores.
profile-unwritable = Cannot write to { $path }: { $reason }. Check the folder's permissions, or choose another with MALOTE_HOME.
profile-damaged = The profile in { $path } cannot be read: { $reason }. Nothing was changed; restore a copy of it, or use another profile with --profile NAME.
profile-no-home = There is no folder to keep profiles in. Name one with the variable MALOTE_HOME.
disk-full = This computer's disk is full. Free some space and try again.
archive-failed = Could not write to { $path }: { $reason }. Mend the problem and try again.
server-address = “{ $server }” is not a server's address. Write computer:port, for example 192.168.0.10:{ $port }.

# Names and rooms
name-empty = Type a name, or leave it for later.
name-too-long = The name “{ $typed }” is too long: it can have at most { $max } characters.
name-character = The character “{ $character }” cannot be part of a name. Use letters, digits, dot, hyphen or underscore.
name-space = A name has no spaces. Instead of “{ $typed }”, try “{ $joined }”.
name-refused-taken = The name { $name } is somebody else’s. Choose another.
name-refused-looks-like = The name { $name } looks too much like { $other }, which is somebody else’s. Choose another.
name-refused-reserved = The name { $name } is kept for Malote itself. Choose another.
name-refused-given-up = Somebody gave up the name { $name } not long ago, and mail for them may still come. Choose another, or wait 30 days.
name-refused-patience = You have changed your name many times. The next one can be chosen { $when }.
name-refused-server-full = The server’s disk is full, and the name could not be kept. Tell whoever looks after the server.
room-refused-unknown = There is no room called #{ $room }.
room-refused-looks-like = The name #{ $room } looks too much like that of the room #{ $other }. Choose another.
room-refused-reserved = #{ $room } is kept for Malote itself. To write to everybody, use @todos.
room-refused-too-many = You are in { $max } rooms already, and more are not possible. Leave one of them first.
room-refused-patience = That was too much at once. Try again { $when }.
room-refused-server-full = The server has no space for another room. Tell whoever looks after it.
wait-moment = in a moment
wait-minutes =
    { $count ->
        [one] in a minute
       *[other] in { $count } minutes
    }
wait-days =
    { $count ->
        [one] tomorrow
       *[other] in { $count } days
    }

# Step by step: why there is no connection
doctor-step-name = Name
doctor-step-route = Way
doctor-step-port = Port
doctor-step-tls = Encryption
doctor-step-version = Version
doctor-step-key = Key
doctor-leads = “{ $host }” leads to { $addresses }.
doctor-is-address = { $host } is an address already; there is no name to look for.
doctor-leaves = This computer has a way there, beginning at its address { $address }.
doctor-listens = A program listens on port { $port }.
doctor-encrypted = What is said to it is encrypted (TLS).
doctor-same-version = It is a Malote server and speaks the same version as this program.
doctor-known-key = Its key is the same as before.
doctor-new-key = This profile does not know this server yet. To be sure that it is the right one, compare this key with the one that it shows when it starts: { $found }
doctor-not-reached = Not tested: it depends on the step before.
doctor-unknown-host = No computer on this network goes by the name “{ $host }”. Check that it is spelled right. If it is, use the address in numbers of the server's computer instead, for example 192.168.0.10.
doctor-no-route = This computer has no way to { $host }. Plug in the cable or turn on the Wi-Fi, and check that both computers are on the same network.
doctor-host-unreachable = No computer answers at { $host }. Check that it is switched on and on the same network (the same Wi-Fi or cable as this one), and that its address has not changed.
doctor-refused = The computer { $host } answers, but no program listens on port { $port }. Most often the server was started without the option --lan: without it, it serves its own computer only. Start it there with: malote-server --lan. Check also that the port is right.
doctor-refused-here = No program listens on port { $port } of this computer. Start malote-server here or, if the server is on another computer, use the address of that one.
doctor-no-answer = Nothing comes back from { $host }. Most often it is a firewall: open TCP port { $port } on the server's computer. Check also that it is switched on and on the same network.
doctor-not-tls = The program that listens on that port is not Malote. Check the port (Malote's is { $default }).
doctor-hung-up = The program that listens on that port hangs up without a word. Either it is another program (check the port; Malote's is { $default }), or the server is too busy: try again in a while.
doctor-silent = The program that listens on that port says nothing. Either it is another program (check the port; Malote's is { $default }), or the server hangs: close it and start it again.
doctor-other-protocol = What listens on that port does not speak as this Malote does. Either it is another program (check the port; Malote's is { $default }), or an older or newer Malote: update the older of the two.
doctor-other-version = It is a Malote server, but of another version. Update the older of the two programs.
doctor-all-passed = All is well: this computer reaches the server { $server }.
doctor-something-failed = This computer does not reach the server { $server }. What to do stands at the step that failed.
doctor-under-way = Testing the connection to { $server }…
