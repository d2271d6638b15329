//! Hostile programs, over TLS.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use ed25519_dalek::{Signer, SigningKey};
use malote_client::connection::{Connected, dial};
use malote_common::codec::{self, Encoding, FrameBuffer};
use malote_common::frame::{ServerFrame, Welcome};
use malote_common::hello::{Challenge, Hello, VERSION};
use malote_common::{DeviceId, frame::ClientFrame, limits, login};
use malote_tests::TestServer;
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, sink, split};
use tokio::time::timeout;

use super::Toll;
use super::malice::{self, Nuisance};

/// Frames that one of them says before what ends the conversation: not so many that the server stops listening for a while.
const NUISANCES: usize = 900;

/// How long somebody who does not read what comes is written to.
const DEAF: Duration = Duration::from_millis(300);

/// Somebody who does not log in.
pub async fn stranger(server: &TestServer, plan: &mut StdRng, toll: &Toll) {
    let connected = connect(server).await;
    let bytes = malice::opening(plan);
    send_to_the_end(connected.stream, &[bytes], toll).await;
}

/// Somebody who has logged in.
pub async fn member(server: &TestServer, plan: &mut StdRng, toll: &Toll) {
    let mut connected = connect(server).await;
    let welcome = log_in(&mut connected, plan).await.expect("whoever says it right gets in");
    let mut nuisance = Nuisance::new(welcome);
    let mut wire = vec![frame(&nuisance.resume())];
    wire.extend((0..NUISANCES).map(|_| frame(&nuisance.next(plan))));
    // Some do not listen to what they are told.
    if plan.random_bool(0.1) {
        let _ = timeout(DEAF, write(&mut connected.stream, &wire, toll)).await;
        return;
    }
    wire.extend(malice::fatal(Encoding::Binary, plan));
    send_to_the_end(connected.stream, &wire, toll).await;
}

async fn connect(server: &TestServer) -> Connected {
    let address = server.address().to_string().parse().expect("an address");
    match dial(address, None).await {
        Ok(connected) => connected,
        Err(problem) => panic!("the server does not take connections any more: {problem:?}"),
    }
}

async fn log_in(connected: &mut Connected, plan: &mut StdRng) -> Result<Welcome> {
    let key = SigningKey::from_bytes(&plan.random());
    let (versions, device) = (vec![VERSION], DeviceId(plan.random()));
    let hello = Hello { versions, key: key.verifying_key().to_bytes(), device };
    let mut heard = FrameBuffer::default();
    connected.stream.write_all(&malice::framed(&hello.encode())).await?;
    let challenge = Challenge::decode(&hear(&mut connected.stream, &mut heard).await?)?;
    let Challenge::Accepted { nonce, .. } = challenge else { bail!("refused: {challenge:?}") };
    let signature = key.sign(&login::statement(&nonce, &connected.exporter)).to_bytes().to_vec();
    connected.stream.write_all(&frame(&ClientFrame::Proof { signature })).await?;
    match codec::decode(&hear(&mut connected.stream, &mut heard).await?)? {
        ServerFrame::Welcome(welcome) => Ok(welcome),
        other => bail!("no welcome: {other:?}"),
    }
}

async fn hear(stream: &mut (impl AsyncRead + Unpin), heard: &mut FrameBuffer) -> Result<Vec<u8>> {
    loop {
        if let Some(body) = heard.next_frame(limits::FRAME_BYTES)? {
            return Ok(body.to_vec());
        }
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).await?;
        heard.extend(bytes.get(..count).filter(|bytes| !bytes.is_empty()).context("closed without a word")?);
    }
}

/// Writes everything while what comes is read and forgotten, until the server closes the connection, which it does: nobody
/// else waits for an end here.
pub async fn send_to_the_end<S: AsyncRead + AsyncWrite>(stream: S, wire: &[Vec<u8>], toll: &Toll) {
    let (mut reader, mut writer) = split(stream);
    let forget = async {
        // A reset is an end as well.
        let _ = copy(&mut reader, &mut sink()).await;
    };
    let speak = async {
        // It may be closed before all of it is written.
        let _ = write(&mut writer, wire, toll).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = forget => {}
        () = speak => {}
    }
}

/// Writes frames in pieces of some size; what was written counts.
async fn write(writer: &mut (impl AsyncWrite + Unpin), wire: &[Vec<u8>], toll: &Toll) -> std::io::Result<()> {
    const TOGETHER: usize = 256;
    for frames in wire.chunks(TOGETHER) {
        let bytes = frames.concat();
        writer.write_all(&bytes).await?;
        writer.flush().await?;
        toll.add(frames.len() as u64, bytes.len());
    }
    Ok(())
}

fn frame(frame: &ClientFrame) -> Vec<u8> {
    malice::framed(&codec::encode(frame).expect("within the limit"))
}
