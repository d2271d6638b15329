//! `malote-server`: reads its flags, binds, says that it is ready, and serves until it is told to stop.

mod log;

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use malote_common::limits;
use malote_server::config::{Config, ConfigFile, LogFormat, WebAddress, WebConfig, listen_address, web_address};
use malote_server::{RunError, Server, StartError, maintenance};
use malote_texts::{Language, Texts, clap::translated};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Parser)]
#[command(name = "malote-server", version)]
struct Flags {
    #[command(subcommand)]
    work: Option<Work>,
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<SocketAddr>,
    #[arg(long)]
    lan: bool,
    #[arg(long, value_name = "HOST:PORT|off")]
    web: Option<WebAddress>,
    #[arg(long, value_name = "FILE")]
    web_cert: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    web_key: Option<PathBuf>,
    #[arg(long)]
    web_visitors: bool,
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_clients: Option<u32>,
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
    #[arg(long)]
    plaintext: bool,
    #[arg(long, value_name = "pt-BR|en", global = true)]
    lang: Option<Language>,
}

/// What there is to do beside serving.
#[derive(Debug, Subcommand)]
enum Work {
    Check,
    Backup {
        #[arg(value_name = "DIR")]
        to: PathBuf,
    },
    Restore {
        #[arg(value_name = "DIR")]
        from: PathBuf,
    },
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let texts = Texts::new(Language::from_arguments(&arguments));
    let matches = translated(Flags::command(), "server", &texts).get_matches_from(arguments);
    let flags = Flags::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match run(flags, &texts) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("{sentence}");
            ExitCode::from(1)
        }
    }
}

/// Does what was asked for. The error is a sentence for the person who did.
fn run(flags: Flags, texts: &Texts) -> Result<(), String> {
    let file = match &flags.config {
        None => ConfigFile::default(),
        Some(path) => read_config(path).map_err(|reason| {
            texts.with("server-config-unreadable", &[("path", show(path)), ("reason", reason.into())])
        })?,
    };
    log::start(flags.log_format.or(file.log_format).unwrap_or_default());
    let data = flags.data.clone().or_else(|| file.data.clone()).or_else(malote_server::default_data_directory);
    let data = data.ok_or_else(|| texts.get("server-no-data-directory"))?;
    match &flags.work {
        Some(work) => look_after(&data, work, texts),
        None => serve(flags, file, data, texts),
    }
}

/// Checks or copies the data directory, and tells what is in it.
fn look_after(data: &Path, work: &Work, texts: &Texts) -> Result<(), String> {
    let (key, place, inspected) = match work {
        Work::Check => ("server-checked", data, maintenance::check(data)),
        Work::Backup { to } => ("server-backed-up", to.as_path(), maintenance::back_up(data, to)),
        Work::Restore { from } => ("server-restored", data, maintenance::restore(from, data)),
    };
    let found = inspected.map_err(|error| explain_start(&error, texts))?;
    let count = |number: u64| number.to_string().into();
    let counted = [("path", show(place)), ("people", count(found.people)), ("rooms", count(found.rooms))];
    println!("{}", texts.with(key, &[&counted[..], &[("entries", count(found.entries))]].concat()));
    if found.set_aside > 0 {
        println!("{}", texts.with("server-set-aside", &[("count", count(found.set_aside))]));
    }
    match found.damaged.len() as u64 {
        0 => {
            println!("{}", texts.get("server-in-order"));
            Ok(())
        }
        damaged => Err(texts.with("server-found-damaged", &[("count", count(damaged))])),
    }
}

/// Serves to the end.
fn serve(flags: Flags, file: ConfigFile, data: PathBuf, texts: &Texts) -> Result<(), String> {
    let web = web_config(&flags, &file, texts)?;
    let config = Config {
        listen: listen_address(flags.listen.or(file.listen), flags.lan || file.lan.unwrap_or(false)),
        data,
        max_clients: flags.max_clients.map(|n| n as usize).or(file.max_clients).unwrap_or(limits::MAX_CLIENTS),
        max_clients_per_address: file.max_clients_per_address.unwrap_or(limits::CLIENTS_PER_ADDRESS),
        rate: file.rate.unwrap_or_default(),
        plaintext: flags.plaintext,
        web,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        // Installed before anybody is told that the server is ready, so that no signal finds it unprepared.
        let shutdown = shutdown().map_err(|error| error.to_string())?;
        let server = Server::bind(config).await.map_err(|error| explain_start(&error, texts))?;
        announce(&server);
        server.run(shutdown).await.map_err(|error| explain_end(&error, texts))
    })
}

fn web_config(flags: &Flags, file: &ConfigFile, texts: &Texts) -> Result<Option<WebConfig>, String> {
    let path = |flag: &Option<PathBuf>, in_file: &Option<PathBuf>| flag.clone().or_else(|| in_file.clone());
    let certificate = match (path(&flags.web_cert, &file.web_cert), path(&flags.web_key, &file.web_key)) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => return Err(texts.get("server-web-certificate-halved")),
    };
    let visitors = flags.web_visitors || file.web_visitors.unwrap_or(false);
    let address = web_address(flags.web.or(file.web));
    Ok(address.map(|(address, is_asked_for)| WebConfig { address, is_asked_for, certificate, visitors }))
}

fn read_config(path: &PathBuf) -> Result<ConfigFile, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    toml::from_str(&text).map_err(|error| error.to_string())
}

fn announce(server: &Server) {
    // A closed standard output is no reason not to serve.
    let web = server.web_url().map(|url| format!(" web {url}")).unwrap_or_default();
    let _ = writeln!(io::stdout(), "malote-server ready {} {}{web}", server.address(), server.fingerprint());
    let _ = io::stdout().flush();
}

fn shutdown() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

fn explain_start(error: &StartError, texts: &Texts) -> String {
    match error {
        StartError::Listen { option, address, error } => {
            let key = match error.kind() {
                io::ErrorKind::AddrInUse => "server-address-in-use",
                io::ErrorKind::PermissionDenied => "server-address-forbidden",
                io::ErrorKind::AddrNotAvailable => "server-address-unavailable",
                _ => "server-address-failed",
            };
            let (address, reason) = (address.to_string().into(), error.to_string().into());
            texts.with(key, &[("option", (*option).into()), ("address", address), ("reason", reason)])
        }
        StartError::Plaintext { address } => {
            texts.with("server-plaintext-refused", &[("address", address.to_string().into())])
        }
        StartError::DataUnwritable { path, error } => {
            texts.with("server-data-unwritable", &[("path", show(path)), ("reason", error.to_string().into())])
        }
        StartError::DataLocked { path } => texts.with("server-data-locked", &[("path", show(path))]),
        StartError::DataPresent { path } => texts.with("server-data-present", &[("path", show(path))]),
        StartError::Store { path, reason } => {
            texts.with("server-store-refused", &[("path", show(path)), ("reason", reason.as_str().into())])
        }
        StartError::Full { path } => texts.with("server-disk-full", &[("path", show(path))]),
        StartError::Key { path, reason } => {
            texts.with("server-key-refused", &[("path", show(path)), ("reason", reason.as_str().into())])
        }
        StartError::WebCertificate { reason } => {
            texts.with("server-web-certificate-refused", &[("reason", reason.as_str().into())])
        }
    }
}

fn explain_end(error: &RunError, texts: &Texts) -> String {
    texts.with("server-store-failed", &[("reason", error.to_string().into())])
}

fn show(path: &Path) -> malote_texts::Value<'static> {
    path.display().to_string().into()
}
