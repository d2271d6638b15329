//! The classroom chat in Python, `bench/peers/chat.py`.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use anyhow::Result;

use super::process::Process;
use super::{Server, python};
use crate::load::pump::Wire;
use crate::stage::Stage;

pub fn version(stage: &Stage) -> Result<String> {
    let programs = python::programs(stage).map_err(anyhow::Error::msg)?;
    let what = "import platform, websockets; \
                print('chat.py on Python', platform.python_version(), 'with websockets', websockets.__version__)";
    python::first_line(Command::new(programs.join("python")).args(["-I", "-c", what]))
}

pub fn start(stage: &Stage) -> Result<Server> {
    let programs = python::programs(stage).map_err(anyhow::Error::msg)?;
    let data = stage.fresh_folder()?;
    let mut command = Command::new(programs.join("python"));
    command.args(["-I", "-u"]).arg(python::script("chat.py"));
    let mut process = Process::start(&mut command, &stage.cores, data.path())?;
    let port = process.wait_for(|said| said.lines().find_map(|line| line.strip_prefix("ready "))?.parse().ok())?;
    Ok(Server { process, address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), wire: Wire::Plain, data })
}
