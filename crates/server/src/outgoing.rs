//! Messages to the client, collected and written together.
//!
//! Nothing leaves before [`Outgoing::flush`] except when [`FLUSH_AT_BYTES`] have gathered: a
//! pipeline's answers go out in one write at Sync or Flush, and a large result is streamed with
//! bounded memory. A client that does not read blocks its own thread in that write, nobody else.

use std::io::{self, Write};

use types::{Fields, Notice, Result, SqlError, SqlState};

use crate::rows::Format;
use engine::{ColumnDesc, TransactionStatus};

const FLUSH_AT_BYTES: usize = 64 << 10;
/// A buffer that a huge row has grown beyond this is given back after it was written.
const KEPT_BUFFER_BYTES: usize = 1 << 20;
/// No message may be longer than PostgreSQL's clients accept: 1 GiB less one.
const MAX_MESSAGE_BYTES: usize = 0x3fff_ffff;

#[derive(Default)]
pub struct Outgoing {
    buffer: Vec<u8>,
}

impl Outgoing {
    pub fn flush(&mut self, to: &mut impl Write) -> io::Result<()> {
        if !self.buffer.is_empty() {
            let written = to.write_all(&self.buffer);
            self.buffer.clear();
            self.buffer.shrink_to(KEPT_BUFFER_BYTES);
            written?;
        }
        Ok(())
    }

    pub fn is_full(&self) -> bool {
        self.buffer.len() >= FLUSH_AT_BYTES
    }

    /// Appends one message: its kind, its length, and what `write` appends. A message too long
    /// for the protocol, or one whose writing fails, leaves nothing behind.
    pub fn message(&mut self, kind: u8, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(&[kind, 0, 0, 0, 0]);
        let written = write(&mut self.buffer);
        let length = self.buffer.len() - start - 1;
        let written = match u32::try_from(length) {
            Ok(prefix) if length <= MAX_MESSAGE_BYTES => {
                if let Some(place) = self.buffer.get_mut(start + 1..start + 5) {
                    place.copy_from_slice(&prefix.to_be_bytes());
                }
                written
            }
            _ => written.and(Err(SqlError::new(
                SqlState::ProgramLimitExceeded,
                format!("result row of {length} bytes exceeds the limit of {MAX_MESSAGE_BYTES} bytes"),
            ))),
        };
        if written.is_err() {
            self.buffer.truncate(start);
        }
        written
    }

    /// A message that cannot be too long: names, numbers, error texts.
    fn short(&mut self, kind: u8, write: impl FnOnce(&mut Vec<u8>)) {
        // It fails only over 1 GiB, which no caller's text reaches; then it is left out.
        let _ = self.message(kind, |body| {
            write(body);
            Ok(())
        });
    }

    /// The one byte that answers SSLRequest and GSSENCRequest; it has no frame.
    pub fn encryption_refused(&mut self) {
        self.buffer.push(b'N');
    }

    pub fn authentication_ok(&mut self) {
        self.short(b'R', |body| put_u32(body, 0));
    }

    pub fn authentication_sasl(&mut self, mechanism: &str) {
        self.short(b'R', |body| {
            put_u32(body, 10);
            put_string(body, mechanism);
            body.push(0);
        });
    }

    pub fn authentication_sasl_continue(&mut self, data: &str) {
        self.short(b'R', |body| {
            put_u32(body, 11);
            body.extend_from_slice(data.as_bytes());
        });
    }

    pub fn authentication_sasl_final(&mut self, data: &str) {
        self.short(b'R', |body| {
            put_u32(body, 12);
            body.extend_from_slice(data.as_bytes());
        });
    }

    /// The newest version we speak, and the protocol options of the client that we do not know.
    pub fn negotiate_protocol_version(&mut self, version: u32, unknown_options: &[String]) {
        self.short(b'v', |body| {
            put_u32(body, version);
            put_u32(body, u32::try_from(unknown_options.len()).unwrap_or(0));
            for option in unknown_options {
                put_string(body, option);
            }
        });
    }

    pub fn backend_key_data(&mut self, pid: i32, secret: i32) {
        self.short(b'K', |body| {
            body.extend_from_slice(&pid.to_be_bytes());
            body.extend_from_slice(&secret.to_be_bytes());
        });
    }

    pub fn parameter_status(&mut self, name: &str, value: &str) {
        self.short(b'S', |body| {
            put_string(body, name);
            put_string(body, value);
        });
    }

    pub fn ready_for_query(&mut self, status: TransactionStatus) {
        let status = match status {
            TransactionStatus::Idle => b'I',
            TransactionStatus::InTransaction => b'T',
            TransactionStatus::Failed => b'E',
        };
        self.short(b'Z', |body| body.push(status));
    }

    pub fn parse_complete(&mut self) {
        self.short(b'1', |_| ());
    }

    pub fn bind_complete(&mut self) {
        self.short(b'2', |_| ());
    }

    pub fn close_complete(&mut self) {
        self.short(b'3', |_| ());
    }

    pub fn no_data(&mut self) {
        self.short(b'n', |_| ());
    }

    pub fn portal_suspended(&mut self) {
        self.short(b's', |_| ());
    }

    pub fn empty_query_response(&mut self) {
        self.short(b'I', |_| ());
    }

    pub fn command_complete(&mut self, tag: &str) {
        self.short(b'C', |body| put_string(body, tag));
    }

    pub fn parameter_description(&mut self, oids: &[u32]) {
        self.short(b't', |body| {
            put_count(body, oids.len());
            for oid in oids {
                put_u32(body, *oid);
            }
        });
    }

    /// `formats` is empty where they are not known yet: then text, as the protocol wants.
    pub fn row_description(&mut self, columns: &[ColumnDesc], formats: &[Format]) {
        self.short(b'T', |body| {
            put_count(body, columns.len());
            for (at, column) in columns.iter().enumerate() {
                put_string(body, &column.name);
                put_u32(body, column.table_oid);
                body.extend_from_slice(&column.attnum.to_be_bytes());
                put_u32(body, column.ty.oid());
                body.extend_from_slice(&type_length(column.ty).to_be_bytes());
                body.extend_from_slice(&column.typmod.to_be_bytes());
                body.extend_from_slice(&formats.get(at).copied().unwrap_or(Format::Text).code().to_be_bytes());
            }
        });
    }

    pub fn error(&mut self, error: &SqlError) {
        let fields: &Fields = error.fields();
        let severity = if fields.fatal { "FATAL" } else { "ERROR" };
        self.short(b'E', |body| {
            put_field(body, b'S', severity);
            put_field(body, b'V', severity);
            put_field(body, b'C', fields.state.code());
            put_field(body, b'M', &fields.message);
            let position = fields.position.map(|position| position.to_string());
            let optional = [
                (b'D', &fields.detail),
                (b'H', &fields.hint),
                (b'P', &position),
                (b'W', &fields.context),
                (b's', &fields.schema),
                (b't', &fields.table),
                (b'c', &fields.column),
                (b'n', &fields.constraint),
            ];
            for (code, value) in optional {
                if let Some(value) = value {
                    put_field(body, code, value);
                }
            }
            body.push(0);
        });
    }

    pub fn notice(&mut self, notice: &Notice) {
        self.short(b'N', |body| {
            put_field(body, b'S', notice.severity.as_str());
            put_field(body, b'V', notice.severity.as_str());
            put_field(body, b'C', notice.state.code());
            put_field(body, b'M', &notice.message);
            if let Some(detail) = &notice.detail {
                put_field(body, b'D', detail);
            }
            if let Some(hint) = &notice.hint {
                put_field(body, b'H', hint);
            }
            body.push(0);
        });
    }
}

/// The length of every array type is variable; of the others, what `pg_type` says.
fn type_length(ty: types::Type) -> i16 {
    match ty {
        types::Type::Array(_) => -1,
        other => other.scalar().length,
    }
}

fn put_u32(body: &mut Vec<u8>, value: u32) {
    body.extend_from_slice(&value.to_be_bytes());
}

/// Counts are 16 bits on the wire; the engine allows 1664 columns and 65535 parameters.
fn put_count(body: &mut Vec<u8>, count: usize) {
    body.extend_from_slice(&u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes());
}

/// A NUL ends a string on the wire, so one inside (a guest may put it into an error's text) would
/// let what follows it pass for another field: it is left out.
fn put_string(body: &mut Vec<u8>, text: &str) {
    body.extend(text.bytes().filter(|b| *b != 0));
    body.push(0);
}

fn put_field(body: &mut Vec<u8>, code: u8, text: &str) {
    body.push(code);
    put_string(body, text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgwire::messages::{DecodeContext, PgWireBackendMessage, ProtocolVersion};
    use types::Type;

    /// What another implementation reads from our bytes.
    fn check(write: impl FnOnce(&mut Outgoing), expect: &str) {
        let mut out = Outgoing::default();
        write(&mut out);
        let mut bytes = bytes::BytesMut::from(&out.buffer[..]);
        let context = DecodeContext::new(ProtocolVersion::PROTOCOL3_0);
        let message = PgWireBackendMessage::decode(&mut bytes, &context).unwrap().unwrap();
        assert_eq!(format!("{message:?}"), expect);
        assert!(bytes.is_empty());
    }

    #[test]
    fn messages_read_back() {
        check(
            |o| o.ready_for_query(TransactionStatus::Failed),
            "ReadyForQuery(ReadyForQuery { status: Error })",
        );
        check(
            |o| o.command_complete("SELECT 1"),
            "CommandComplete(CommandComplete { tag: \"SELECT 1\" })",
        );
        check(
            |o| o.parameter_status("a", "b"),
            "ParameterStatus(ParameterStatus { name: \"a\", value: \"b\" })",
        );
        let column = ColumnDesc {
            name: "x".into(),
            ty: Type::Int4,
            typmod: -1,
            table_oid: 16384,
            attnum: 2,
        };
        check(
            |o| o.row_description(&[column], &[Format::Binary]),
            "RowDescription(RowDescription { fields: [FieldDescription { name: \"x\", table_id: 16384, column_id: 2, type_id: 23, \
             type_size: 4, type_modifier: -1, format_code: 1 }] })",
        );
        let error = SqlError::new(SqlState::SyntaxError, "bad\0word").position(3).hint("Try.");
        check(
            |o| o.error(&error),
            "ErrorResponse(ErrorResponse { fields: [(83, \"ERROR\"), (86, \"ERROR\"), (67, \"42601\"), (77, \"badword\"), \
             (72, \"Try.\"), (80, \"3\")] })",
        );
    }

    #[test]
    fn a_failed_message_leaves_nothing_behind() {
        let mut out = Outgoing::default();
        out.bind_complete();
        let before = out.buffer.clone();
        let failed = out.message(b'D', |body| {
            body.extend_from_slice(b"half a row");
            Err(SqlError::internal("no"))
        });
        assert!(failed.is_err());
        assert_eq!(out.buffer, before);
    }
}
