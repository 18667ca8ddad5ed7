//! Hosts, endpoints and patterns over them.

use std::net::{IpAddr, Ipv6Addr};

use crate::{PolicyError, is_public};

/// Where a URL points: a DNS name or a literal address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// Lower case, ASCII (an international name in its `xn--` form), without a final dot.
    Name(String),
    Address(IpAddr),
}

impl Host {
    /// Refuses every way to write an address but the usual ones: what looks like a name to one parser and like 127.0.0.1 to another
    /// (`0x7f.1`, `2130706433`, `127.1`) is neither here.
    pub fn parse(text: &str) -> Result<Host, PolicyError> {
        let refuse = |why| {
            Err(PolicyError::NotAHost {
                host: text.chars().filter(|c| !c.is_control()).take(260).collect(),
                why,
            })
        };
        if let Some(inner) = text.strip_prefix('[') {
            return match inner.strip_suffix(']').map(str::parse::<Ipv6Addr>) {
                Some(Ok(address)) => Ok(Host::Address(IpAddr::V6(address).to_canonical())),
                Some(Err(_)) | None => refuse("it is not an IPv6 address"),
            };
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Host::Address(address.to_canonical()));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if name.is_empty() {
            return refuse("it is empty");
        }
        if name.len() > 253 {
            return refuse("it is longer than 253 characters");
        }
        for label in name.split('.') {
            let inner = label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'));
            if label.is_empty() || label.len() > 63 || !inner || label.starts_with('-') || label.ends_with('-') {
                return refuse("it is not a host name");
            }
        }
        let last = name.rsplit('.').next().unwrap_or("");
        if last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit()) {
            return refuse("it is neither a name nor an address in its usual form");
        }
        Ok(Host::Name(name))
    }

    /// `localhost` and what is below it is this machine, wherever a resolver says it is.
    fn is_local_name(&self) -> bool {
        match self {
            Host::Name(name) => name == "localhost" || name.ends_with(".localhost"),
            Host::Address(_) => false,
        }
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    pub host: Host,
    pub port: u16,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// A pattern `host[:port]`. Without a port it is every port.
///
/// - `api.example.com`: that host. An address, `localhost` too, is covered by its own literal pattern only, or by `*` if it is public.
/// - `*.example.com`: each host one label below; neither `example.com` itself nor `a.b.example.com`.
/// - `*`: every name and every public address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPattern {
    host: HostGlob,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum HostGlob {
    Any,
    /// One label below this name.
    Below(String),
    Exact(Host),
}

impl HostPattern {
    pub fn parse(text: &str) -> Result<HostPattern, &'static str> {
        if text.contains("//") || text.contains('/') || text.contains('@') {
            return Err("it must be a host, not a URL");
        }
        let (host, port) = split_port(text)?;
        let parse = |host: &str| match Host::parse(host) {
            Ok(host) => Ok(host),
            Err(PolicyError::NotAHost { why, .. }) => Err(why),
            Err(_) => Err("it is not a host name"),
        };
        let host = match host.strip_prefix('*') {
            Some("") => HostGlob::Any,
            Some(below) => match below.strip_prefix('.').map(parse) {
                Some(Ok(Host::Name(name))) => HostGlob::Below(name),
                Some(Ok(Host::Address(_))) => return Err("an address has no hosts below it"),
                Some(Err(why)) => return Err(why),
                None => return Err("\"*\" stands alone or as the whole first label, as in *.example.com"),
            },
            None if host.contains('*') => return Err("\"*\" stands alone or as the whole first label, as in *.example.com"),
            None => HostGlob::Exact(parse(host)?),
        };
        Ok(HostPattern { host, port })
    }

    /// The pattern that covers just this endpoint, its port left out where it is the web's.
    pub fn exact(endpoint: &Endpoint) -> HostPattern {
        let port = match endpoint.port {
            80 | 443 => None,
            port => Some(port),
        };
        HostPattern {
            host: HostGlob::Exact(endpoint.host.clone()),
            port,
        }
    }

    /// Whether the endpoint, as the URL names it, may be looked up.
    pub fn matches(&self, endpoint: &Endpoint) -> bool {
        self.port.is_none_or(|port| port == endpoint.port) && self.host.matches(&endpoint.host)
    }

    /// Whether a connection to the endpoint may go to this address, which its name resolved to.
    pub fn matches_address(&self, endpoint: &Endpoint, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if !self.matches(endpoint) {
            return false;
        }
        match &endpoint.host {
            // The pattern matched the address itself, which it does to a non-public one only literally.
            Host::Address(literal) => *literal == address,
            Host::Name(_) if endpoint.host.is_local_name() => address.is_loopback() && self.host == HostGlob::Exact(endpoint.host.clone()),
            Host::Name(_) => is_public(address),
        }
    }

    /// `*`, with whatever port.
    pub fn is_any_host(&self) -> bool {
        self.host == HostGlob::Any
    }

    /// Names this machine or an address that is not public: what reaches behind the server's firewall.
    pub fn is_internal(&self) -> bool {
        match &self.host {
            HostGlob::Any => false,
            HostGlob::Below(name) => Host::Name(name.clone()).is_local_name(),
            HostGlob::Exact(host @ Host::Name(_)) => host.is_local_name(),
            HostGlob::Exact(Host::Address(address)) => !is_public(*address),
        }
    }

    pub fn covers(&self, other: &HostPattern) -> bool {
        let port = self.port.is_none() || self.port == other.port;
        let host = match (&self.host, &other.host) {
            (HostGlob::Any, HostGlob::Any | HostGlob::Below(_)) => true,
            (HostGlob::Below(ours), HostGlob::Below(theirs)) => ours == theirs,
            (HostGlob::Below(_) | HostGlob::Exact(_), HostGlob::Any) | (HostGlob::Exact(_), HostGlob::Below(_)) => false,
            (ours, HostGlob::Exact(host)) => ours.matches(host),
        };
        port && host
    }

    pub fn overlaps(&self, other: &HostPattern) -> bool {
        let port = self.port.is_none() || other.port.is_none() || self.port == other.port;
        let host = match (&self.host, &other.host) {
            (HostGlob::Any, HostGlob::Any | HostGlob::Below(_)) | (HostGlob::Below(_), HostGlob::Any) => true,
            (HostGlob::Below(ours), HostGlob::Below(theirs)) => ours == theirs,
            (glob, HostGlob::Exact(host)) | (HostGlob::Exact(host), glob) => glob.matches(host),
        };
        port && host
    }
}

impl HostGlob {
    fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (HostGlob::Any, Host::Name(_)) => !host.is_local_name(),
            (HostGlob::Any, Host::Address(address)) => is_public(*address),
            (HostGlob::Below(below), Host::Name(name)) => {
                name.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == below)
            }
            (HostGlob::Below(_), Host::Address(_)) => false,
            (HostGlob::Exact(exact), host) => exact == host,
        }
    }
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), &'static str> {
    let (host, port) = if text.starts_with('[') {
        let end = text.find(']').ok_or("it is not an IPv6 address")?;
        let (host, rest) = text.split_at(end + 1);
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return Err("it is not an IPv6 address"),
        }
    } else {
        match text.split_once(':') {
            // More than one colon: an IPv6 address without brackets, and so without a port.
            Some((_, rest)) if rest.contains(':') => (text, None),
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let Some(port) = port else { return Ok((host, None)) };
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(port) if digits && port > 0 => Ok((host, Some(port))),
        Ok(_) | Err(_) => Err("its port must be a number from 1 to 65535"),
    }
}

impl std::fmt::Display for HostPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.host {
            HostGlob::Any => f.write_str("*")?,
            HostGlob::Below(name) => write!(f, "*.{name}")?,
            HostGlob::Exact(host) => write!(f, "{host}")?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}
