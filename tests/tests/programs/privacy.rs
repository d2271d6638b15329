//! What programs leave behind is for their owner alone.

use std::fs;
use std::process::Command;

use malote_tests::{Cli, Running, TestServer, program};

use super::{ANY_PORT, check_private, mode, text};

#[test]
fn whatever_the_mask_all_that_programs_make_is_private() {
    for mask in ["000", "022"] {
        let directory = tempfile::tempdir().unwrap();
        let (data, home) = (directory.path().join("server/data"), directory.path().join("people/profiles"));
        let arguments = ["--listen", ANY_PORT, "--web", ANY_PORT, "--data", text(&data)];
        let mut server = Running::start(&mut masked(mask, &TestServer::command(&arguments)));
        let ready = server.next_line();
        let address = ready.split(' ').nth(2).expect("an address in the ready line");
        let person = Cli::at(address);
        let run = |arguments: &[&str]| {
            let mut command = masked(mask, &person.command(arguments));
            Running::start(command.env("MALOTE_HOME", &home)).wait()
        };
        run(&["send", "--to", "Usuario0", "--subject", "Chaves", "oi"]).expect_status(0);
        run(&["inbox"]).expect_status(0);
        // A second profile, which is in use while we look.
        let mut watch = masked(mask, &person.command(&["--profile", "ana", "watch"]));
        let _watch = Running::start(watch.env("MALOTE_HOME", &home));
        malote_tests::wait_for("the second archive", || home.join("ana/archive.db-wal").exists().then_some(()));
        // Without a screen it comes no further than to its profile.
        let mut window = masked(mask, &Command::new(program("malote")));
        for variable in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET", "XDG_RUNTIME_DIR"] {
            window.env_remove(variable);
        }
        let window = window.args(["--profile", "window", "--server", address]).env("MALOTE_HOME", &home);
        assert_ne!(Running::start(window).wait().status, Some(0));

        for folder in [&data, &home] {
            // Also the folders on the way there, where they were made for it.
            assert_eq!((mode(folder), mode(folder.parent().unwrap())), (0o700, 0o700), "{}", folder.display());
        }
        let files = check_private(&data);
        for file in ["store.db", "store.db-wal", "store.db-shm", "server.key", "server.crt", "lock"] {
            assert!(files.contains(&data.join(file)), "{file} is not in {files:?}");
        }
        let files = check_private(&home);
        for file in
            ["0/key", "0/device", "0/archive.db", "0/lock", "ana/archive.db-wal", "ana/archive.db-shm", "window/key"]
        {
            assert!(files.contains(&home.join(file)), "{file} is not in {files:?}");
        }
    }
}

#[test]
fn an_archive_or_a_store_that_was_copied_carelessly_is_private_again() {
    let mut server = TestServer::start();
    let ana = Cli::new(&server);
    ana.name();
    server.stop();
    for file in [server.data().join("store.db"), ana.profile().join("archive.db")] {
        let open = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o644);
        fs::set_permissions(file, open).unwrap();
    }
    server.restart();
    ana.name();
    check_private(server.data());
    check_private(ana.home());
}

/// The same command where files are made with this mask.
fn masked(mask: &str, command: &Command) -> Command {
    let mut masked = Command::new("sh");
    masked.args(["-c", "umask \"$0\"; exec \"$@\"", mask]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => masked.env(name, value),
            None => masked.env_remove(name),
        };
    }
    masked
}
