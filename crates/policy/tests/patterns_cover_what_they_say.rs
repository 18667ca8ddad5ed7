//! Patterns over names, paths and hosts, and what covers and crosses what.

use policy::{CanonicalPath, Capability, Connect, Endpoint, Host, HostPattern, NamePattern, ObjectName, PathPattern, is_reserved_schema};
use proptest::prelude::*;

fn name(pattern: &str) -> NamePattern {
    NamePattern::parse(pattern).unwrap()
}

fn path(pattern: &str) -> PathPattern {
    PathPattern::parse(pattern).unwrap()
}

fn canonical(text: &str) -> CanonicalPath {
    CanonicalPath::new(text).unwrap()
}

/// `schema.name`, with `!` before it where the search path does not find it.
fn object(text: &str) -> ObjectName {
    let (text, visible) = match text.strip_prefix('!') {
        Some(text) => (text, false),
        None => (text, true),
    };
    let (schema, name) = text.split_once('.').unwrap();
    ObjectName::new(schema, name, visible)
}

fn endpoint(text: &str) -> Endpoint {
    let (host, port) = text.rsplit_once(':').unwrap();
    Endpoint {
        host: Host::parse(host).unwrap(),
        port: port.parse().unwrap(),
    }
}

fn check_names(pattern: &str, yes: &[&str], no: &[&str]) {
    for text in yes {
        assert!(name(pattern).matches(&object(text)), "{pattern} covers {text}");
    }
    for text in no {
        assert!(!name(pattern).matches(&object(text)), "{pattern} does not cover {text}");
    }
}

#[test]
fn names() {
    check_names(
        "users",
        &["public.users", "app.users"],
        &["!app.users", "public.user", "public.users2", "public.Users", "pg_catalog.users"],
    );
    check_names("USERS", &["public.users"], &["public.USERS"]);
    check_names(r#""USERS""#, &["public.USERS"], &["public.users"]);
    check_names(
        "user_*",
        &["public.user_", "public.user_a", "public.user_a_b"],
        &["public.users", "!app.user_a", "public.xuser_a"],
    );
    check_names("*_log", &["public.a_log", "public._log"], &["public.a_logs", "heliosdb.audit_log"]);
    check_names(
        "a*b*c",
        &["public.abc", "public.a1b2c", "public.abbcc"],
        &["public.acb", "public.ab", "public.abcd"],
    );
    check_names("a*a", &["public.aa", "public.aba"], &["public.a"]);
    check_names("app.users", &["app.users", "!app.users"], &["public.users", "app.users2"]);
    check_names("app.*", &["!app.users"], &["public.users", "!apps.users"]);
    check_names("tenant_*.users", &["!tenant_1.users"], &["!tenant.users", "!tenant_1.orders"]);
    check_names(r#""*""#, &["public.*"], &["public.users"]);
}

#[test]
fn a_star_is_every_table_but_the_systems() {
    let system = [
        "heliosdb.audit_log",
        "pg_catalog.pg_class",
        "information_schema.tables",
        "pg_toast.pg_toast_1",
        "!heliosdb.audit_log",
    ];
    check_names("*", &["public.users", "!app.users", "pg_temp_3.t"], &system);
    check_names("*.*", &["public.users", "!app.users"], &system);
    check_names("pg_*", &["public.pg_mine"], &["pg_catalog.pg_class"]);
    check_names("pg_*.*", &["pg_temp_3.t"], &["pg_catalog.pg_class", "pg_toast.x"]);
    check_names("h*.audit_log", &[], &["heliosdb.audit_log"]);
    // Only spelled out.
    check_names(
        "heliosdb.audit_log",
        &["heliosdb.audit_log", "!heliosdb.audit_log"],
        &["public.audit_log", "heliosdb.alerts"],
    );
    check_names("pg_catalog.*", &["pg_catalog.pg_class"], &["information_schema.tables"]);
    // Not even where the search path finds it.
    check_names("audit_log", &["public.audit_log"], &["heliosdb.audit_log"]);
    check_names("pg_class", &[], &["pg_catalog.pg_class"]);
    assert!(!is_reserved_schema("pgx") && !is_reserved_schema("pg_temp") && is_reserved_schema("pg_tempest"));
}

#[test]
fn the_pattern_of_an_object_covers_it_and_no_other() {
    for text in [
        "public.users",
        "!app.users",
        "heliosdb.audit_log",
        "pg_catalog.pg_class",
        "public.It's *",
        "!My Schema.a\"b.c",
    ] {
        let object = object(text);
        let pattern = object.pattern();
        assert!(pattern.matches(&object), "{text}");
        assert_eq!(name(&pattern.to_string()), pattern, "{text}");
        assert!(
            !pattern.matches(&ObjectName::new(object.schema.clone(), format!("{}x", object.name), object.visible)),
            "{text}"
        );
    }
    assert_eq!(object("public.users").pattern().to_string(), "users");
    assert_eq!(object("!app.users").pattern().to_string(), "app.users");
    assert_eq!(object("heliosdb.alerts").pattern().to_string(), "heliosdb.alerts");
}

fn check_paths(pattern: &str, yes: &[&str], no: &[&str]) {
    for text in yes {
        assert!(path(pattern).matches(&canonical(text)), "{pattern} covers {text}");
    }
    for text in no {
        assert!(!path(pattern).matches(&canonical(text)), "{pattern} does not cover {text}");
    }
}

#[test]
fn paths() {
    let uploads = ["/tmp/uploads/subdir/file.txt", "/tmp/uploads", "/tmp/uploads2/x", "/tmp", "/"];
    check_paths("/tmp/uploads/*", &["/tmp/uploads/file.txt", "/tmp/uploads/.hidden"], &uploads);
    check_paths(
        "/tmp/uploads/**",
        &["/tmp/uploads/file.txt", "/tmp/uploads/a/b/c"],
        &["/tmp/uploads", "/tmp/uploads2/x", "/tmp"],
    );
    check_paths("/tmp/uploads", &["/tmp/uploads"], &["/tmp/uploads/x", "/tmp/Uploads"]);
    check_paths(
        "/srv/*/in/*.csv",
        &["/srv/a/in/x.csv", "/srv/b/in/.csv"],
        &["/srv/in/x.csv", "/srv/a/b/in/x.csv", "/srv/a/in/x.csv.exe"],
    );
    check_paths(
        "/srv/**/x.csv",
        &["/srv/x.csv", "/srv/a/x.csv", "/srv/a/b/x.csv"],
        &["/srv/ax.csv", "/x.csv", "/srv/x.csv/y"],
    );
    check_paths("/**", &["/etc/passwd", "/a"], &["/"]);
    check_paths("/*", &["/a"], &["/a/b", "/"]);
    // Nothing but the star is special.
    check_paths("/a/[b]?{c,d}", &["/a/[b]?{c,d}"], &["/a/bxc", "/a/b"]);
}

#[test]
fn a_folder_may_be_listed_where_all_that_is_in_it_may_be_read() {
    let lists = |pattern: &str, folder: &str| path(pattern).covers_entries_of(&canonical(folder));
    assert!(lists("/srv/in/*", "/srv/in"));
    assert!(lists("/srv/**", "/srv/in"));
    assert!(lists("/srv/**", "/srv"));
    assert!(lists("/srv/*/*", "/srv/in"));
    assert!(lists("/**", "/"));
    assert!(!lists("/srv/in/*.csv", "/srv/in"));
    assert!(!lists("/srv/in", "/srv/in"));
    assert!(!lists("/srv/in/*", "/srv"));
    assert!(!lists("/srv/in/*", "/srv/in/a"));
    assert!(!lists("/srv/in/a/**", "/srv/in"));
}

#[test]
fn paths_that_are_not_canonical_are_no_paths() {
    let long = format!("/{}", "x".repeat(5000));
    for text in [
        "",
        "a",
        "./a",
        "/a/../b",
        "/..",
        "/a/.",
        "//a",
        "/a//b",
        "/a/",
        "/a\0b",
        &long,
        "/workspace/../../etc/passwd",
    ] {
        assert!(CanonicalPath::new(text).is_err(), "{text:?}");
    }
    for text in ["/", "/a", "/a/..b", "/...", "/a b/ä"] {
        assert!(CanonicalPath::new(text).is_ok(), "{text:?}");
    }
}

fn check_hosts(pattern: &str, yes: &[&str], no: &[&str]) {
    let pattern = HostPattern::parse(pattern).unwrap();
    for text in yes {
        assert!(pattern.matches(&endpoint(text)), "{pattern} covers {text}");
    }
    for text in no {
        assert!(!pattern.matches(&endpoint(text)), "{pattern} does not cover {text}");
    }
}

#[test]
fn hosts() {
    check_hosts(
        "api.example.com",
        &["api.example.com:443", "API.example.com:80", "api.example.com.:8443"],
        &[
            "example.com:443",
            "xapi.example.com:443",
            "a.api.example.com:443",
            "api.example.com.evil.org:443",
        ],
    );
    check_hosts("api.example.com:443", &["api.example.com:443"], &["api.example.com:80"]);
    check_hosts(
        "*.example.com",
        &["a.example.com:443"],
        &[
            "example.com:443",
            "a.b.example.com:443",
            "aexample.com:443",
            "a.example.com.org:443",
        ],
    );
    check_hosts("*.example.com:8443", &["a.example.com:8443"], &["a.example.com:443"]);
    let internal = [
        "127.0.0.1:80",
        "10.0.0.1:80",
        "[::1]:80",
        "[fe80::1]:80",
        "[::ffff:127.0.0.1]:80",
        "169.254.169.254:80",
        "localhost:80",
        "x.localhost:80",
    ];
    check_hosts("*", &["a.com:1", "b.c.d:443", "1.1.1.1:53"], &internal);
    check_hosts("*:443", &["a.com:443"], &["a.com:80"]);
    check_hosts(
        "127.0.0.1",
        &["127.0.0.1:80", "[::ffff:127.0.0.1]:80"],
        &["localhost:80", "127.0.0.2:80"],
    );
    check_hosts("[::1]:5432", &["[::1]:5432"], &["[::1]:5433", "127.0.0.1:5432"]);
    check_hosts("localhost", &["localhost:80"], &["127.0.0.1:80", "x.localhost:80"]);
}

#[test]
fn addresses_that_are_not_public_are_reached_only_literally() {
    let connects = |pattern: &str, at: &str, address: &str| {
        HostPattern::parse(pattern)
            .unwrap()
            .matches_address(&endpoint(at), address.parse().unwrap())
    };
    assert!(connects("*", "a.com:443", "93.184.216.34"));
    assert!(connects("a.com", "a.com:443", "93.184.216.34"));
    for address in [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "::1",
        "fe80::1",
        "::ffff:192.168.1.1",
        "0.0.0.0",
    ] {
        // A name that resolves to such an address, rebinding or not, is refused, however the name is granted.
        assert!(!connects("*", "a.com:443", address), "{address}");
        assert!(!connects("a.com", "a.com:443", address), "{address}");
        assert!(!connects("*.com", "a.com:443", address), "{address}");
    }
    assert!(connects("127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1"));
    assert!(!connects("127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.2"));
    assert!(!connects("127.0.0.1", "a.com:443", "127.0.0.1"));
    assert!(connects("localhost", "localhost:80", "::1"));
    assert!(!connects("localhost", "localhost:80", "10.0.0.1"));
    assert!(!connects("*.localhost", "x.localhost:80", "127.0.0.1"));
    assert!(!connects("*", "localhost:80", "127.0.0.1"));
    assert!(connects("1.1.1.1", "1.1.1.1:53", "1.1.1.1"));
    assert!(!connects("1.1.1.1", "1.1.1.1:53", "8.8.8.8"));
    let _ = Connect {
        endpoint: endpoint("a.com:443"),
        address: "1.1.1.1".parse().unwrap(),
    };
}

fn capability(text: &str) -> Capability {
    Capability::parse(text).unwrap()
}

#[test]
fn what_covers_what() {
    let check = |wide: &str, narrow: &str| {
        assert!(capability(wide).covers(&capability(narrow)), "{wide} covers {narrow}");
        assert!(
            capability(wide).overlaps(&capability(narrow)) && capability(narrow).overlaps(&capability(wide)),
            "{wide} crosses {narrow}"
        );
        if wide != narrow {
            assert!(!capability(narrow).covers(&capability(wide)), "{narrow} does not cover {wide}");
        }
    };
    for kind in policy::Kind::ALL {
        check(kind.example(), kind.example());
    }
    check("DATABASE_READ('*')", "DATABASE_READ('users')");
    check("DATABASE_READ('*')", "DATABASE_READ('app.users')");
    check("DATABASE_READ('*')", "DATABASE_READ('app.*')");
    check("DATABASE_READ('user_*')", "DATABASE_READ('user_a*b')");
    check("DATABASE_READ('*a*')", "DATABASE_READ('xax*')");
    check("DATABASE_READ('*.users')", "DATABASE_READ('users')");
    check("CALL_FUNCTION('util_*')", "CALL_FUNCTION('util_x')");
    check("FILE_READ('/srv/**')", "FILE_READ('/srv/a/*.csv')");
    check("FILE_READ('/srv/**')", "FILE_READ('/srv/a/**')");
    check("FILE_READ('/srv/*')", "FILE_READ('/srv/a*')");
    check("FILE_WRITE('/srv/**')", "FILE_WRITE('/srv/*')");
    check("NETWORK_ACCESS('*')", "NETWORK_ACCESS('*.example.com:443')");
    check("NETWORK_ACCESS('*.example.com')", "NETWORK_ACCESS('a.example.com')");
    check("NETWORK_ACCESS('a.example.com')", "NETWORK_ACCESS('a.example.com:443')");
}

#[test]
fn what_neither_covers_nor_crosses() {
    let apart = |a: &str, b: &str| {
        for (a, b) in [(a, b), (b, a)] {
            assert!(!capability(a).covers(&capability(b)), "{a} and {b}");
            assert!(!capability(a).overlaps(&capability(b)), "{a} and {b}");
        }
    };
    apart("DATABASE_READ('*')", "DATABASE_WRITE('*')");
    apart("DATABASE_READ('*')", "DATABASE_READ('heliosdb.audit_log')");
    apart("DATABASE_READ('*.*')", "DATABASE_READ('pg_catalog.*')");
    apart("DATABASE_READ('users')", "DATABASE_READ('orders')");
    apart("DATABASE_READ('a.users')", "DATABASE_READ('b.users')");
    apart("FILE_READ('/srv/*')", "FILE_READ('/srv/a/b')");
    apart("FILE_READ('/srv/**')", "FILE_READ('/srv')");
    apart("NETWORK_ACCESS('*')", "NETWORK_ACCESS('127.0.0.1')");
    apart("NETWORK_ACCESS('*.a.com')", "NETWORK_ACCESS('a.com')");
    apart("NETWORK_ACCESS('a.com:1')", "NETWORK_ACCESS('a.com:2')");
    apart("TIME_ACCESS", "RANDOM_ACCESS");
    // Crossing without covering.
    let (a, b) = (capability("DATABASE_READ('user_*')"), capability("DATABASE_READ('*_old')"));
    assert!(a.overlaps(&b) && !a.covers(&b) && !b.covers(&a));
    let (a, b) = (capability("DATABASE_READ('users')"), capability("DATABASE_READ('app.users')"));
    assert!(a.overlaps(&b) && !a.covers(&b) && !b.covers(&a));
}

/// The slow way to match one name: try every length for each star.
fn reference(pattern: &[char], name: &[char]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some(('*', rest)) => (0..=name.len()).any(|taken| reference(rest, &name[taken..])),
        Some((c, rest)) => name.first() == Some(c) && reference(rest, &name[1..]),
    }
}

fn reference_path(pattern: &[&str], names: &[&str]) -> bool {
    match pattern.split_first() {
        None => names.is_empty(),
        Some((&"**", [])) => !names.is_empty(),
        Some((&"**", rest)) => (0..=names.len()).any(|taken| reference_path(rest, &names[taken..])),
        Some((part, rest)) => {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            names.first().is_some_and(|name| reference(&chars(part), &chars(name))) && reference_path(rest, &names[1..])
        }
    }
}

fn path_patterns() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop_oneof![Just("**".to_string()), "[ab]{1,2}", "[ab]\\*", "\\*[ab]?"], 1..5)
        .prop_map(|parts| format!("/{}", parts.join("/")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_name_matches_as_the_slow_way_does(pattern in "[ab*]{1,7}", name in "[ab]{0,8}") {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        let object = ObjectName::new("public", name.clone(), true);
        prop_assert_eq!(NamePattern::parse(&pattern).unwrap().matches(&object), reference(&chars(&pattern), &chars(&name)));
    }

    #[test]
    fn a_path_matches_as_the_slow_way_does(pattern in path_patterns(), names in proptest::collection::vec("[ab]{1,3}", 1..5)) {
        let parts: Vec<&str> = pattern[1..].split('/').collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let path = CanonicalPath::new(format!("/{}", names.join("/"))).unwrap();
        prop_assert_eq!(PathPattern::parse(&pattern).unwrap().matches(&path), reference_path(&parts, &names));
    }

    #[test]
    fn covering_and_crossing_agree_with_matching(a in "([ab*]{1,3}\\.)?[ab*]{1,4}", b in "([ab*]{1,3}\\.)?[ab*]{1,4}", schema in "[ab]{1,3}", name in "[ab]{1,5}", visible: bool) {
        let (a, b) = (NamePattern::parse(&a).unwrap(), NamePattern::parse(&b).unwrap());
        let object = ObjectName::new(schema, name, visible);
        if b.matches(&object) {
            prop_assert!(a.matches(&object) || !a.covers(&b), "{} covers {} but not {:?}", a, b, object);
            prop_assert!(!a.matches(&object) || a.overlaps(&b), "{} and {} share {:?}", a, b, object);
        }
        prop_assert!(a.covers(&a) && a.overlaps(&a));
        prop_assert_eq!(a.overlaps(&b), b.overlaps(&a));
    }

    #[test]
    fn so_they_do_for_paths(a in path_patterns(), b in path_patterns(), names in proptest::collection::vec("[ab]{1,3}", 1..5)) {
        let (a, b) = (PathPattern::parse(&a).unwrap(), PathPattern::parse(&b).unwrap());
        let path = CanonicalPath::new(format!("/{}", names.join("/"))).unwrap();
        if b.matches(&path) {
            prop_assert!(a.matches(&path) || !a.covers(&b), "{} covers {} but not {}", a, b, path);
            prop_assert!(!a.matches(&path) || a.overlaps(&b), "{} and {} share {}", a, b, path);
        }
        prop_assert!(a.covers(&a) && a.overlaps(&a));
        prop_assert_eq!(a.overlaps(&b), b.overlaps(&a));
    }

    #[test]
    fn whatever_text_reads_prints_as_itself(text in "\\PC{0,30}") {
        if let Ok(pattern) = NamePattern::parse(&text) {
            prop_assert_eq!(NamePattern::parse(&pattern.to_string()).unwrap(), pattern);
        }
        if let Ok(pattern) = PathPattern::parse(&text) {
            prop_assert_eq!(PathPattern::parse(&pattern.to_string()).unwrap(), pattern);
        }
        if let Ok(pattern) = HostPattern::parse(&text) {
            prop_assert_eq!(HostPattern::parse(&pattern.to_string()).unwrap(), pattern);
        }
        let _ = Capability::parse_list(&text);
        let _ = policy::Definition::parse(&text);
        let _ = Host::parse(&text);
    }

    #[test]
    fn whatever_object_there_is_has_a_pattern_of_its_own(schema in "\\PC{1,12}", name in "\\PC{1,12}", visible: bool) {
        let object = ObjectName::new(schema, name, visible);
        let pattern = object.pattern();
        prop_assert!(pattern.matches(&object));
        prop_assert_eq!(NamePattern::parse(&pattern.to_string()).unwrap(), pattern);
    }
}
