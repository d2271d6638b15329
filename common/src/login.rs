//! What is signed to prove that a client holds its key.

/// Begins every statement, so that a signature made for a login is good for nothing else.
const PURPOSE: &[u8] = b"malote login v1";

/// Begins every statement of a browser.
const WEB_PURPOSE: &[u8] = b"malote web login v1";

/// The label under which both sides take 32 bytes of keying material from their TLS connection (RFC 8446, 7.5).
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-malote-login-v1";

/// The bytes that the client signs: the purpose, the server's nonce and the connection's exported keying material.
///
/// The nonce makes it good for one login, the exporter for one TLS connection: a proxy between two connections has
/// two different ones and cannot pass a proof on.
pub fn statement(nonce: &[u8; 32], exporter: &[u8; 32]) -> Vec<u8> {
    [PURPOSE, nonce, exporter].concat()
}

/// The bytes that a browser signs, which has no way to its connection's keying material: the purpose, the server's nonce
/// and the origin of the page that signs (RFC 6454, 6.2), such as `https://10.0.0.5:44780`.
///
/// A browser lets a page use keys of its own origin only, and the server compares the origin with the one that it serves:
/// a page from elsewhere cannot pass a proof on.
pub fn web_statement(nonce: &[u8; 32], origin: &str) -> Vec<u8> {
    [WEB_PURPOSE, nonce, origin.as_bytes()].concat()
}
