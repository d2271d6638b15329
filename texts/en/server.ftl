# What malote-server says to whoever starts it.

server-about = Malote's server: keeps and delivers the messages of the local network
server-help-listen = Address and port to serve on (port 0 takes a free one)
server-help-lan = Serves on all network interfaces, for the other computers, and announces itself to them by mDNS
server-help-data = Folder for the messages and the server's key
server-help-max-clients = How many clients may be connected at the same time
server-help-config = TOML file with these same options
server-help-log-format = Format of the logs on standard error: text or json
server-help-lang = Language of messages: pt-BR or en

server-address-in-use = The address { $address } is in use already, perhaps by another malote-server. Close it, or choose another port with { $option }.
server-address-forbidden = This user may not serve on { $address }. Choose a port above 1023 with { $option }.
server-address-unavailable = The address { $address } does not exist on this computer. Choose another with { $option }.
server-address-failed = Cannot serve on { $address }: { $reason }.
server-data-unwritable = Cannot write to the folder { $path }: { $reason }. Check the permissions, or choose another with --data.
server-data-locked = The folder { $path } is in use by another malote-server. Close it, or choose another folder with --data.
server-store-refused = The messages in { $path } cannot be opened safely: { $reason }. Nothing was changed. Rename the folder, and restore its last backup with “malote-server restore COPY”. Without a backup, try the same with the renamed folder itself: what can still be read comes back, and people's programs send again what is missing.
server-disk-full = There is no space left for the folder { $path }, so the messages cannot be opened. Nothing is wrong with them. Free some space, and start the server again.
server-key-refused = The server's key in { $path } cannot be used: { $reason }. Nothing was changed. Copy server.key and server.crt from a backup. Without them, the server starts again only if both are deleted, with another key, which each person will have to confirm.
server-config-unreadable = The configuration file { $path } cannot be read: { $reason }.
server-store-failed = The messages could not be written to the disk: { $reason }. The server has stopped so as not to promise what it cannot keep; nothing that was accepted is lost.
server-no-data-directory = There is no folder for the data. Name one with --data.

server-help-web = Address and port of the page for browsers, or off not to serve it
server-help-web-cert = The page's certificate in PEM, instead of the server's own
server-help-web-key = Key of the page's certificate in PEM
server-help-web-visitors = Lets anybody on the network speak on /chat, from other computers too
server-web-certificate-refused = The certificate for browsers cannot be used: { $reason }. Check --web-cert and --web-key.
server-web-certificate-halved = Certificate and key go together: name --web-cert and --web-key, or neither.
server-help-plaintext = For measurements only: clients on this computer speak without encryption
server-plaintext-refused = Without encryption only clients on this computer are served, and { $address } is for others too. Leave --plaintext out, or listen on 127.0.0.1.

server-command-check = Checks the data folder, also while the server runs
server-command-backup = Copies the data folder, also while the server runs
server-command-restore = Makes the data folder from a copy
server-help-to = Folder for the copy, new or empty
server-help-from = Folder of the copy
server-data-present = There is something in the folder { $path } already, and nothing is ever overwritten. Choose a new folder, or rename that one.
server-in-order = All is in order.
server-checked = All of the folder { $path } was read. People: { $people }. Rooms: { $rooms }. Messages and receipts: { $entries }.
server-backed-up = The copy is in { $path }, and was checked. People: { $people }. Rooms: { $rooms }. Messages and receipts: { $entries }. Keep it safe: the server's key is in it.
server-restored = The copy is back in { $path }. People: { $people }. Rooms: { $rooms }. Messages and receipts: { $entries }. When they connect, people's programs send again what is missing in it.
server-set-aside = Damaged pieces that were set aside before: { $count }. Their authors and recipients were told.
server-found-damaged = Messages damaged on the disk: { $count }. When it starts, the server sets them aside and tells their authors and recipients. Check the disk.
