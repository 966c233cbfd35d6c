//! QEMU's machine protocol, as far as the bench needs it: one command, one answer.

use crate::BenchError;
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

/// How long QEMU may take to answer; under emulation on a busy machine it can be slow.
const ANSWER: Duration = Duration::from_secs(60);

/// A conversation with one QEMU.
pub(crate) struct Qmp {
    stream: BufReader<UnixStream>,
}

impl Qmp {
    /// Connects to the socket that QEMU listens on and leaves the negotiation mode.
    pub(crate) fn connect(socket: &Path) -> Result<Self, BenchError> {
        let stream = UnixStream::connect(socket).map_err(BenchError::file(socket))?;
        stream
            .set_read_timeout(Some(ANSWER))
            .map_err(BenchError::file(socket))?;
        let mut qmp = Qmp {
            stream: BufReader::new(stream),
        };
        qmp.line("greeting")?;
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Executes `command` and gives what it returned; events in between are passed over.
    pub(crate) fn execute(&mut self, command: &str, arguments: Value) -> Result<Value, BenchError> {
        let mut message = json!({ "execute": command, "arguments": arguments }).to_string();
        message.push('\n');
        let failed = |answer: String| BenchError::Qmp {
            command: command.into(),
            answer,
        };
        self.stream
            .get_mut()
            .write_all(message.as_bytes())
            .map_err(|e| failed(e.to_string()))?;
        loop {
            let answer = self.line(command)?;
            if let Some(value) = answer.get("return") {
                return Ok(value.clone());
            }
            if let Some(error) = answer.get("error") {
                return Err(failed(error.to_string()));
            }
        }
    }

    fn line(&mut self, command: &str) -> Result<Value, BenchError> {
        let failed = |answer: String| BenchError::Qmp {
            command: command.into(),
            answer,
        };
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) => Err(failed("QEMU has closed the connection".into())),
            Ok(_) => serde_json::from_str(&line).map_err(|e| failed(format!("{e}: {line}"))),
            Err(e) => Err(failed(e.to_string())),
        }
    }
}
