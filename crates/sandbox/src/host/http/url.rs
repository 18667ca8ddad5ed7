//! URLs: read once, and written anew out of what was understood, so that no two readers can disagree about the host.

use policy::{Endpoint, Host};
use ureq::http::Uri;

/// Servers take no longer ones.
const MAX_URL_BYTES: usize = 8192;

#[derive(Clone, Debug)]
pub struct Url {
    https: bool,
    endpoint: Endpoint,
    path_and_query: String,
}

impl Url {
    /// Without user and password, without the part after `#`. The error is a sentence.
    pub fn parse(text: &str) -> Result<Url, String> {
        if text.len() > MAX_URL_BYTES {
            return Err(format!("It is longer than {MAX_URL_BYTES} bytes."));
        }
        if text.bytes().any(|byte| byte <= b' ' || byte == 0x7f || byte == b'\\') {
            return Err("It holds a blank, a control character or a backslash.".to_string());
        }
        let text = text.split_once('#').map_or(text, |(url, _)| url);
        let uri: Uri = text.parse().map_err(|error| format!("It cannot be read: {error}."))?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) | None => return Err("It must start with http:// or https://.".to_string()),
        };
        let authority = uri.authority().ok_or("It names no host.")?;
        if authority.as_str().contains('@') {
            return Err("It holds a user name; use a header instead.".to_string());
        }
        let host = Host::parse(authority.host()).map_err(|error| format!("{error}."))?;
        let port = match (authority.port_u16(), authority.as_str().len() == authority.host().len()) {
            (Some(port), _) if port > 0 => port,
            (None, true) => default_port(https),
            (Some(_) | None, _) => return Err("Its port is not a number from 1 to 65535.".to_string()),
        };
        let path_and_query = match uri.path_and_query().map(|path| path.as_str()) {
            None | Some("") => "/".to_string(),
            Some(query) if query.starts_with('?') => format!("/{query}"),
            Some(path) => path.to_string(),
        };
        Ok(Url {
            https,
            endpoint: Endpoint { host, port },
            path_and_query,
        })
    }

    /// Where a `Location` header leads from here.
    pub fn join(&self, location: &str) -> Result<Url, String> {
        let location = location.trim();
        let lower = location.to_ascii_lowercase();
        if lower.starts_with("http:") || lower.starts_with("https:") {
            return Url::parse(location);
        }
        let scheme = if self.https { "https" } else { "http" };
        if let Some(rest) = location.strip_prefix("//") {
            return Url::parse(&format!("{scheme}://{rest}"));
        }
        let before_slash = location.split(['/', '?', '#']).next().unwrap_or_default();
        if before_slash.contains(':') {
            return Err("It must start with http:// or https://.".to_string());
        }
        let path = self.path_and_query.split('?').next().unwrap_or("/");
        let below = match location.chars().next() {
            Some('/') => location.to_string(),
            Some('?') => format!("{path}{location}"),
            Some('#') | None => self.path_and_query.clone(),
            Some(_) => format!(
                "{}{location}",
                path.rsplit_once('/').map_or("/", |(_, last)| &path[..path.len() - last.len()])
            ),
        };
        Url::parse(&format!("{}{below}", self.origin()))
    }

    pub fn is_https(&self) -> bool {
        self.https
    }

    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// `https://api.example.com`, with the port where it is not the scheme's.
    pub fn origin(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        if self.endpoint.port == default_port(self.https) {
            format!("{scheme}://{}", self.endpoint.host)
        } else {
            format!("{scheme}://{}", self.endpoint)
        }
    }

    pub fn text(&self) -> String {
        format!("{}{}", self.origin(), self.path_and_query)
    }
}

fn default_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(Url::parse(text).unwrap().text(), expected, "{text}");
    }

    #[test]
    fn urls_are_written_as_they_were_understood() {
        check("http://example.com", "http://example.com/");
        check("HTTPS://Example.COM:443/a?b=c#d", "https://example.com/a?b=c");
        check("http://example.com.:80/", "http://example.com/");
        check("http://example.com:8080/a/../b", "http://example.com:8080/a/../b");
        check("https://[::1]:8443/x", "https://[::1]:8443/x");
        check("http://127.0.0.1?q", "http://127.0.0.1/?q");
    }

    #[test]
    fn what_two_readers_could_disagree_about_is_refused() {
        for text in [
            "",
            "example.com",
            "/path",
            "ftp://example.com/",
            "file:///etc/passwd",
            "http://",
            "http:///x",
            "http://user@example.com/",
            "http://user:password@example.com/",
            "http://example.com:99999/",
            "http://example.com:0/",
            "http://example.com:/",
            "http://example.com\\@internal/",
            "http://exa mple.com/",
            "http://example.com/\r\nHost: internal",
            "http://0x7f.1/",
            "http://2130706433/",
            "http://127.1/",
            "http://exämple.com/",
            "http://[::1/",
        ] {
            assert!(Url::parse(text).is_err(), "{text:?} is {:?}", Url::parse(text));
        }
    }

    #[test]
    fn locations_lead_from_where_they_were_given() {
        let base = Url::parse("https://example.com:444/a/b?c=d").unwrap();
        for (location, expected) in [
            ("/x", "https://example.com:444/x"),
            ("x", "https://example.com:444/a/x"),
            ("?e", "https://example.com:444/a/b?e"),
            ("//other.example/y", "https://other.example/y"),
            ("http://other.example/", "http://other.example/"),
            ("#here", "https://example.com:444/a/b?c=d"),
            ("x:y/z", ""),
            ("javascript:alert(1)", ""),
            ("//user@internal/", ""),
        ] {
            let joined = base.join(location).map(|url| url.text()).unwrap_or_default();
            assert_eq!(joined, expected, "{location}");
        }
    }
}
