//! What a connection is encrypted with, in the names that PostgreSQL's clients know: OpenSSL's.

use rustls::{CipherSuite, CommonState, ProtocolVersion};

/// What `pg_stat_ssl` tells of a connection.
pub fn describe(connection: &CommonState) -> engine::Encryption {
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3".to_string(),
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2".to_string(),
        other => format!("{other:?}"),
    };
    let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
    let (cipher, bits) = match suite {
        Some(CipherSuite::TLS13_AES_256_GCM_SHA384) => ("TLS_AES_256_GCM_SHA384".to_string(), 256),
        Some(CipherSuite::TLS13_AES_128_GCM_SHA256) => ("TLS_AES_128_GCM_SHA256".to_string(), 128),
        Some(CipherSuite::TLS13_CHACHA20_POLY1305_SHA256) => ("TLS_CHACHA20_POLY1305_SHA256".to_string(), 256),
        Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384) => ("ECDHE-ECDSA-AES256-GCM-SHA384".to_string(), 256),
        Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256) => ("ECDHE-ECDSA-AES128-GCM-SHA256".to_string(), 128),
        Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256) => ("ECDHE-ECDSA-CHACHA20-POLY1305".to_string(), 256),
        Some(CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) => ("ECDHE-RSA-AES256-GCM-SHA384".to_string(), 256),
        Some(CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256) => ("ECDHE-RSA-AES128-GCM-SHA256".to_string(), 128),
        Some(CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256) => ("ECDHE-RSA-CHACHA20-POLY1305".to_string(), 256),
        other => (format!("{other:?}"), 0),
    };
    engine::Encryption { version, cipher, bits }
}
