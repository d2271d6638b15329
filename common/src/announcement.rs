//! How a server announces itself on the local network, by DNS-SD over multicast DNS (RFC 6763, RFC 6762).

/// The type under which servers announce themselves.
pub const SERVICE: &str = "_malote._tcp.local.";

/// The property with the protocol versions that the server speaks, as decimal numbers with commas between them.
pub const VERSIONS_PROPERTY: &str = "versions";

/// The property with the fingerprint of the server's key.
pub const KEY_PROPERTY: &str = "key";
