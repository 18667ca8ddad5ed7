//! A client that sends any bytes and prints what comes back, one line a message.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use engine::{Database, Options, StoreKind};
use server::{Server, ServerOptions};

/// The server that tests share; those that stop it or set passwords start their own.
pub fn shared_server() -> SocketAddr {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| start(|_| ()).0).local_addr()
}

pub fn start(configure: impl FnOnce(&mut ServerOptions)) -> (Server, Arc<Database>) {
    let database = open_database();
    let mut options = ServerOptions {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        max_message_bytes: 1 << 20,
        ..Default::default()
    };
    configure(&mut options);
    (Server::start(database.clone(), options).unwrap(), database)
}

/// Each server has a folder of its own. They stay until the next run of the tests.
fn open_database() -> Arc<Database> {
    static NEXT: Mutex<u32> = Mutex::new(0);
    let base = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wire");
    let mut next = NEXT.lock().unwrap();
    if *next == 0 {
        let _ = std::fs::remove_dir_all(&base);
    }
    *next += 1;
    let data_dir = base.join(next.to_string());
    std::fs::create_dir_all(&data_dir).unwrap();
    Database::open(Options {
        data_dir,
        store: StoreKind::Fjall,
        progress: Arc::new(|_| ()),
        functions: engine::FunctionOptions::default(),
    })
    .unwrap()
}

pub struct Client<S = TcpStream> {
    pub socket: S,
    /// From BackendKeyData.
    pub key: (i32, i32),
}

impl Client {
    /// A socket on which nothing was said yet.
    pub fn raw(addr: SocketAddr) -> Client {
        let socket = TcpStream::connect(addr).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Client { socket, key: (0, 0) }
    }

    /// Logged in as postgres.
    pub fn connect(addr: SocketAddr) -> Client {
        Client::login(addr, "postgres")
    }

    pub fn login(addr: SocketAddr, user: &str) -> Client {
        let mut client = Client::raw(addr);
        client.send(&startup(&[("user", user), ("database", "postgres")]));
        let greeting = client.until_ready();
        assert_eq!(greeting.first().map(String::as_str), Some("AuthenticationOk"), "{greeting:?}");
        client
    }

    pub fn on_shared() -> Client {
        Client::connect(shared_server())
    }

    /// Says that nothing more will be sent.
    pub fn end_input(&mut self) {
        self.socket.shutdown(Shutdown::Write).unwrap();
    }
}

impl<S: Read + Write> Client<S> {
    pub fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    /// The answers to a simple query.
    pub fn query(&mut self, sql: &str) -> Vec<String> {
        self.send(&query(sql));
        self.until_ready()
    }

    /// The answers to some messages, up to ReadyForQuery.
    pub fn ask(&mut self, messages: &[Vec<u8>]) -> Vec<String> {
        self.send(&messages.concat());
        self.until_ready()
    }

    pub fn until_ready(&mut self) -> Vec<String> {
        let mut lines = vec![];
        loop {
            let line = self.next();
            let last = line.starts_with("ReadyForQuery") || line == "closed";
            lines.push(line);
            if last {
                return lines;
            }
        }
    }

    /// Everything until the server closes.
    pub fn until_closed(&mut self) -> Vec<String> {
        let mut lines = vec![];
        loop {
            let line = self.next();
            if line == "closed" {
                return lines;
            }
            lines.push(line);
        }
    }

    pub fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.socket.read_exact(&mut byte).unwrap();
        byte[0]
    }

    /// The next message as one line, or `closed`.
    pub fn next(&mut self) -> String {
        let mut head = [0; 5];
        match self.socket.read_exact(&mut head) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof || e.kind() == std::io::ErrorKind::ConnectionReset => {
                return "closed".into();
            }
            Err(e) => panic!("no answer: {e}"),
        }
        let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
        let mut body = vec![0; length - 4];
        self.socket.read_exact(&mut body).unwrap();
        if head[0] == b'K' {
            self.key = (i32_at(&body, 0), i32_at(&body, 4));
        }
        describe_message(head[0], &body)
    }
}

fn i32_at(body: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(body[at..at + 4].try_into().unwrap())
}

fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body.split(|b| *b == 0).next().unwrap()).into_owned()
}

fn describe_message(kind: u8, body: &[u8]) -> String {
    match kind {
        b'R' => match i32_at(body, 0) {
            0 => "AuthenticationOk".into(),
            10 => {
                let names: Vec<String> = body[4..].split(|b| *b == 0).filter(|name| !name.is_empty()).map(text).collect();
                format!("AuthenticationSASL {}", names.join(" "))
            }
            11 => format!("AuthenticationSASLContinue {}", text(&body[4..])),
            12 => format!("AuthenticationSASLFinal {}", text(&body[4..])),
            other => format!("Authentication {other}"),
        },
        b'v' => format!("NegotiateProtocolVersion {:x} {}", i32_at(body, 0), i32_at(body, 4)),
        b'K' => "BackendKeyData".into(),
        b'S' => {
            let name = text(body);
            format!("ParameterStatus {name}={}", text(&body[name.len() + 1..]))
        }
        b'Z' => format!("ReadyForQuery {}", body[0] as char),
        b'1' => "ParseComplete".into(),
        b'2' => "BindComplete".into(),
        b'3' => "CloseComplete".into(),
        b'n' => "NoData".into(),
        b's' => "PortalSuspended".into(),
        b'I' => "EmptyQueryResponse".into(),
        b'C' => format!("CommandComplete {}", text(body)),
        b't' => format!(
            "ParameterDescription {:?}",
            body[2..].chunks(4).map(|c| i32_at(c, 0)).collect::<Vec<_>>()
        ),
        b'T' => {
            let mut fields = vec![];
            let mut rest = &body[2..];
            while !rest.is_empty() {
                let name = text(rest);
                rest = &rest[name.len() + 1..];
                fields.push(format!("{name}:{}:{}", i32_at(rest, 6), rest[17]));
                rest = &rest[18..];
            }
            format!("RowDescription {}", fields.join(" "))
        }
        b'D' => {
            let mut values = vec![];
            let mut rest = &body[2..];
            while !rest.is_empty() {
                let length = i32_at(rest, 0);
                rest = &rest[4..];
                if length < 0 {
                    values.push("NULL".to_string());
                    continue;
                }
                let (value, after) = rest.split_at(length as usize);
                rest = after;
                values.push(match std::str::from_utf8(value) {
                    Ok(text) if text.chars().all(|c| !c.is_control()) && text.len() < 100 => text.to_string(),
                    Ok(text) if text.len() >= 100 => format!("{} bytes", text.len()),
                    _ => format!("{value:02x?}"),
                });
            }
            format!("DataRow {}", values.join("|"))
        }
        b'E' | b'N' => {
            let fields: Vec<(char, String)> = body
                .split(|b| *b == 0)
                .filter(|f| !f.is_empty())
                .map(|f| (f[0] as char, String::from_utf8_lossy(&f[1..]).into()))
                .collect();
            let field = |code| fields.iter().find(|f| f.0 == code).map(|f| f.1.as_str()).unwrap_or_default();
            format!("{} {} {}", field('S'), field('C'), field('M'))
        }
        b'A' => {
            let channel = text(&body[4..]);
            format!("Notification {} {channel} {}", i32_at(body, 0), text(&body[5 + channel.len()..]))
        }
        other => format!("message {:?}", other as char),
    }
}

/// A message with its length put in.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

pub fn startup_packet(body: &[u8]) -> Vec<u8> {
    let mut bytes = (body.len() as u32 + 4).to_be_bytes().to_vec();
    bytes.extend_from_slice(body);
    bytes
}

pub fn startup(parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = 196608u32.to_be_bytes().to_vec();
    for (name, value) in parameters {
        body.extend_from_slice(format!("{name}\0{value}\0").as_bytes());
    }
    body.push(0);
    startup_packet(&body)
}

pub fn query(sql: &str) -> Vec<u8> {
    message(b'Q', format!("{sql}\0").as_bytes())
}

pub fn parse(name: &str, sql: &str, types: &[u32]) -> Vec<u8> {
    let mut body = format!("{name}\0{sql}\0").into_bytes();
    body.extend_from_slice(&(types.len() as u16).to_be_bytes());
    types.iter().for_each(|oid| body.extend_from_slice(&oid.to_be_bytes()));
    message(b'P', &body)
}

pub fn bind(portal: &str, statement: &str, formats: &[i16], values: &[Option<&[u8]>], result_formats: &[i16]) -> Vec<u8> {
    let mut body = format!("{portal}\0{statement}\0").into_bytes();
    let put_codes = |body: &mut Vec<u8>, codes: &[i16]| {
        body.extend_from_slice(&(codes.len() as u16).to_be_bytes());
        codes.iter().for_each(|code| body.extend_from_slice(&code.to_be_bytes()));
    };
    put_codes(&mut body, formats);
    body.extend_from_slice(&(values.len() as u16).to_be_bytes());
    for value in values {
        match value {
            None => body.extend_from_slice(&(-1i32).to_be_bytes()),
            Some(bytes) => {
                body.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
                body.extend_from_slice(bytes);
            }
        }
    }
    put_codes(&mut body, result_formats);
    message(b'B', &body)
}

pub fn describe(target: char, name: &str) -> Vec<u8> {
    message(b'D', format!("{target}{name}\0").as_bytes())
}

pub fn close(target: char, name: &str) -> Vec<u8> {
    message(b'C', format!("{target}{name}\0").as_bytes())
}

pub fn execute(portal: &str, max_rows: i32) -> Vec<u8> {
    let mut body = format!("{portal}\0").into_bytes();
    body.extend_from_slice(&max_rows.to_be_bytes());
    message(b'E', &body)
}

pub fn sync() -> Vec<u8> {
    message(b'S', b"")
}

pub fn flush() -> Vec<u8> {
    message(b'H', b"")
}
