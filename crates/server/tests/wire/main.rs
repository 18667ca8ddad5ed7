//! The server as its clients' bytes see it: a listening server, and raw protocol messages.

mod alerts;
mod authentication;
mod cancel;
mod client;
mod extended;
mod hostile;
mod limits;
mod notify;
mod simple;
mod stop;
mod tls;
mod vanish;
