//! Whatever stands for a right, it is read or refused; and what was read is printed so that it reads back as the same. The fuzz target
//! `rights` runs this, too.

use policy::{CanonicalPath, Capability, Definition, Host, LimitKey, LimitOverrides, PathPattern, Rights, Syscall};

/// The first byte chooses what the rest is to be.
pub fn read(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    match choice % 12 {
        0 => {
            if let Ok(definition) = Definition::parse(text) {
                definition.capabilities.iter().flatten().for_each(read_back);
            }
        }
        1 => {
            if let Ok(list) = Capability::parse_list(text) {
                list.iter().for_each(read_back);
                for one in &list {
                    for other in &list {
                        // What covers something crosses it.
                        assert!(!one.covers(other) || one.overlaps(other), "{one} {other}");
                        assert_eq!(one.overlaps(other), other.overlaps(one), "{one} {other}");
                    }
                }
            }
        }
        2 => pattern("DATABASE_READ", text),
        3 => pattern("DATABASE_WRITE", text),
        4 => pattern("CALL_FUNCTION", text),
        5 => pattern("FILE_READ", text),
        6 => pattern("FILE_WRITE", text),
        7 => pattern("NETWORK_ACCESS", text),
        8 => {
            if let Ok(path) = CanonicalPath::new(text) {
                assert!(path.as_str().starts_with('/') && !path.as_str().contains("//"));
                assert!(!path.as_str().split('/').any(|part| part == ".."));
                assert!(PathPattern::exact(&path).is_none_or(|pattern| pattern.matches(&path)));
            }
        }
        9 => drop(Host::parse(text)),
        10 => {
            for key in LimitKey::ALL {
                let mut limits = LimitOverrides::default();
                if limits.set(key.name(), text).is_ok() {
                    assert_eq!(limits.get(*key), key.check(text).ok());
                }
            }
            drop(Syscall::parse(text));
        }
        _ => drop(serde_json::from_str::<Rights>(text)),
    }
}

fn pattern(kind: &str, text: &str) {
    if let Ok(capability) = Capability::new(kind, Some(text)) {
        read_back(&capability);
    }
}

fn read_back(capability: &Capability) {
    let printed = capability.to_string();
    assert_eq!(Capability::parse(&printed).as_ref(), Ok(capability), "{printed}");
    assert!(capability.covers(capability) && capability.overlaps(capability), "{printed}");
}
