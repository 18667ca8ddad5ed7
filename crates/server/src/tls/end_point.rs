//! `tls-server-end-point` (RFC 5929): the hash of the server's certificate, by the hash function of its
//! own signature, to which a password's proof is bound. A client that was led to somebody else's
//! certificate proves its password to that one only.

use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;

/// None where the RFC defines none (Ed25519, RSA-PSS) or the bytes are no certificate: then no binding is offered.
pub fn hash(certificate: &[u8]) -> Option<Vec<u8>> {
    Some(match signature_algorithm(certificate)? {
        // MD5 and SHA-1, with RSA and ECDSA: SHA-256 stands in for them.
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04 | 0x05] | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01] => {
            Sha256::digest(certificate).to_vec()
        }
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0e] | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x01] => {
            Sha224::digest(certificate).to_vec()
        }
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b] | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02] => {
            Sha256::digest(certificate).to_vec()
        }
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c] | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03] => {
            Sha384::digest(certificate).to_vec()
        }
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d] | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04] => {
            Sha512::digest(certificate).to_vec()
        }
        _ => return None,
    })
}

/// The bytes of the object identifier in `SEQUENCE { tbsCertificate, SEQUENCE { algorithm, ... }, ... }`.
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    let (within, _) = element(SEQUENCE, certificate)?;
    let (_, after_body) = element(SEQUENCE, within)?;
    let (algorithm, _) = element(SEQUENCE, after_body)?;
    element(OBJECT_IDENTIFIER, algorithm).map(|(oid, _)| oid)
}

/// A DER element of this tag at the start: its contents, and what follows it.
fn element(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, rest) = bytes.split_first()?;
    if *found != tag {
        return None;
    }
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        // So many bytes of length; a certificate has fewer than 2^24.
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let parameters = rcgen::CertificateParams::new(vec!["localhost".to_string()]).unwrap();
        parameters.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_signatures_own_hash_function_is_used() {
        let certificate = signed(&rcgen::PKCS_ECDSA_P256_SHA256);
        assert_eq!(hash(&certificate), Some(Sha256::digest(&certificate).to_vec()));
        let certificate = signed(&rcgen::PKCS_ECDSA_P384_SHA384);
        assert_eq!(hash(&certificate), Some(Sha384::digest(&certificate).to_vec()));
    }

    #[test]
    fn nothing_is_made_up_where_none_is_defined() {
        assert_eq!(hash(&signed(&rcgen::PKCS_ED25519)), None);
        let certificate = signed(&rcgen::PKCS_ECDSA_P256_SHA256);
        for length in 0..certificate.len() {
            assert_eq!(hash(&certificate[..length]), None);
        }
        for junk in [
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff][..],
            &[0x30, 0x80],
            &[0x30, 0x83, 0xff, 0xff, 0xff],
        ] {
            assert_eq!(hash(junk), None);
        }
    }
}
