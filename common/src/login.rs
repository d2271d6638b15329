//! What is signed to prove that a client holds its key.

/// Begins every statement, so that a signature made for a login is good for nothing else.
const PURPOSE: &[u8] = b"malote login v1";

/// The label under which both sides take 32 bytes of keying material from their TLS connection (RFC 8446, 7.5).
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-malote-login-v1";

/// The bytes that the client signs: the purpose, the server's nonce and the connection's exported keying material.
///
/// The nonce makes it good for one login, the exporter for one TLS connection: a proxy between two connections has
/// two different ones and cannot pass a proof on.
pub fn statement(nonce: &[u8; 32], exporter: &[u8; 32]) -> Vec<u8> {
    [PURPOSE, nonce, exporter].concat()
}
