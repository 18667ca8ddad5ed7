//! The operator's webhook: every alert, posted as JSON.
//!
//! The life of a post: an alert is committed; the engine's hook puts it into a queue and goes on; a thread takes it out and
//! posts it, tries again a few times where that fails, then gives up and says so in the server's log. What is in the queue
//! when the server ends is not posted; `heliosdb.alerts` has every alert. The URL is the operator's: it may name any
//! address, and never stands in a log, because such URLs hold secrets.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use engine::{Alert, AlertHook};
use ureq::Agent;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::roots;

/// Alerts that wait to be posted; one that comes while the queue is full is not posted.
const QUEUED: usize = 1000;
/// Of one attempt, from looking the name up to the answer's end.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Before the second attempt, the third and so on.
const PAUSES: [Duration; 3] = [Duration::from_millis(250), Duration::from_secs(1), Duration::from_secs(4)];
const USER_AGENT: &str = concat!("parhelion/", env!("CARGO_PKG_VERSION"));

/// Where alerts are posted.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(Uri);

impl WebhookUrl {
    pub fn parse(text: &str) -> Result<WebhookUrl, String> {
        match text.parse::<Uri>() {
            Ok(url) if matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some_and(|host| !host.is_empty()) => {
                Ok(WebhookUrl(url))
            }
            Ok(_) | Err(_) => Err("it must begin with http:// or https:// and name a host".to_string()),
        }
    }
}

/// The host alone: what follows it may be a secret.
impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.host().unwrap_or_default())
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookUrl({self})")
    }
}

/// Starts the thread that posts; `extra` holds certificate authorities besides the machine's own.
pub fn start(url: WebhookUrl, extra: Option<PathBuf>) -> std::io::Result<AlertHook> {
    let (sender, receiver) = sync_channel(QUEUED);
    thread::Builder::new()
        .name("alert webhook".into())
        .spawn(move || run(&url, extra, &receiver))?;
    Ok(Arc::new(move |alert| put(&sender, alert)))
}

fn put(sender: &SyncSender<Alert>, alert: &Alert) {
    match sender.try_send(alert.clone()) {
        Ok(()) => {}
        Err(TrySendError::Full(alert)) => tracing::error!(alert = alert.id, "an alert is not posted: {QUEUED} others wait"),
        Err(TrySendError::Disconnected(alert)) => tracing::error!(alert = alert.id, "an alert is not posted: the webhook's thread is gone"),
    }
}

fn run(url: &WebhookUrl, extra: Option<PathBuf>, alerts: &Receiver<Alert>) {
    let agent = agent(url, extra);
    for alert in alerts {
        let mut pauses = PAUSES.iter();
        let failed = loop {
            let posted = match &agent {
                Ok(agent) => post(agent, url, &alert),
                Err(why) => Err(why.clone()),
            };
            match (posted, pauses.next()) {
                (Ok(()), _) => break None,
                (Err(why), None) => break Some(why),
                (Err(why), Some(pause)) => {
                    tracing::warn!(alert = alert.id, host = %url, "an alert could not be posted, and will be tried again: {why}");
                    thread::sleep(*pause);
                }
            }
        };
        if let Some(why) = failed {
            tracing::error!(alert = alert.id, host = %url, attempts = PAUSES.len() + 1, "an alert was not posted: {why}");
        }
    }
}

fn post(agent: &Agent, url: &WebhookUrl, alert: &Alert) -> Result<(), String> {
    let answer = agent
        .post(&url.0)
        .header("Content-Type", "application/json")
        .send(alert.to_json().to_string())
        .map_err(|error| error.to_string())?;
    match answer.status().is_success() {
        true => Ok(()),
        // A redirect too: the operator's URL is the only one that gets alerts.
        false => Err(format!("the answer was {}", answer.status())),
    }
}

fn agent(url: &WebhookUrl, extra: Option<PathBuf>) -> Result<Agent, String> {
    let certificates: Vec<Certificate<'static>> = match url.0.scheme_str() {
        Some("https") => roots::certificates(extra.as_deref())?
            .iter()
            .map(|der| Certificate::from_der(der).to_owned())
            .collect(),
        Some(_) | None => vec![],
    };
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(certificates)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .user_agent(USER_AGENT)
        .timeout_global(Some(TIMEOUT))
        .tls_config(tls)
        .build();
    Ok(config.new_agent())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_host_and_keeps_its_secrets() {
        let url = WebhookUrl::parse("https://hooks.example.com/services/T0/secret?key=x").unwrap();
        assert_eq!(url.to_string(), "hooks.example.com");
        assert_eq!(format!("{url:?}"), "WebhookUrl(hooks.example.com)");
        assert!(WebhookUrl::parse("http://127.0.0.1:8080").is_ok());
        for bad in [
            "",
            "hooks.example.com",
            "ftp://example.com/x",
            "https://",
            "/services",
            "http://a b",
        ] {
            assert!(WebhookUrl::parse(bad).is_err(), "{bad}");
        }
    }
}
