//! Two computers, a cable between them, and what happens to cables and addresses. Where network namespaces may not be
//! made, each test says so and is skipped.

use std::thread;

use malote_client::discovery::Search;
use malote_client::{Discovery, Reader};
use malote_tests::hosts::{CLIENT, Cable, PORT, Person, SERVER, data};
use malote_tests::{Running, wait_for};
use malote_texts::{Language, Texts};
use serde_json::Value;

/// A server on a computer is at this address for those who sit there.
const HERE: &str = "127.0.0.1";

#[test]
fn two_addresses_find_each_other_and_exchange_messages() {
    let Some(cable) = Cable::lay("two addresses") else { return };
    let data = data();
    let server = cable.server.serve(data.path(), &["--lan"]);
    let searcher = cable.client.person("192.0.2.1");
    let expected = format!("{SERVER}:{PORT}");
    let found = found_at(&searcher, &expected);
    assert_eq!(found["fingerprint"], server.fingerprint.as_str(), "{found}");

    let (ana, rui) = (cable.server.person(HERE), cable.client.person(&expected));
    assert_eq!((ana.name(), rui.name()), ("Usuario0".to_owned(), "Usuario1".to_owned()));
    assert_eq!(rui.run(&["doctor"]).expect_status(0).stderr, "");
    let mut watch = rui.start(&["watch", "--json"]);
    ana.run(&["send", "--to", "Usuario1", "pela rede"]).expect_status(0);
    assert_eq!(malote_tests::parsed(&watch.next_line())["body"], "pela rede");
    drop(watch);
    rui.run(&["send", "--to", "Usuario0", "de volta"]).expect_status(0);
    assert_eq!(ana.bodies(), ["de volta"]);
}

#[test]
fn a_cut_cable_is_noticed_on_both_sides_and_nothing_is_lost_or_doubled() {
    let Some(cable) = Cable::lay("a cut cable") else { return };
    let data = data();
    let _server = cable.server.serve(data.path(), &["--lan"]);
    let (ana, rui, eva) = (cable.server.person(HERE), cable.client.person(SERVER), cable.client.person(SERVER));
    assert_eq!(ana.name(), "Usuario0");
    let mut watch = watching(&rui);
    assert_eq!(eva.name(), "Usuario2");
    ana.run(&["send", "--to", "Usuario1", "antes"]).expect_status(0);
    assert_eq!(malote_tests::parsed(&watch.next_line())["body"], "antes");

    thread::scope(|scope| {
        // One after the other, so that the cable is cut while one is under way.
        let sends = scope.spawn(|| {
            for number in 0..SENDS {
                eva.run(&["--timeout", "600", "send", "--to", "Usuario0", &number.to_string()]).expect_status(0);
            }
        });
        wait_for("the first messages", || (ana.bodies().len() > 2).then_some(()));
        cable.client.unplug();
        // The server pushes them to a connection that it takes to be alive.
        for number in 0..SENDS {
            ana.run(&["send", "--to", "Usuario1", &format!("cortado {number}")]).expect_status(0);
        }
        let silent = sentence("connect-silent");
        wait_for("the client's notice", || watch.stderr().contains(&silent).then_some(()));
        wait_for("the server's notice", || (!is_connected(&ana, "Usuario1")).then_some(()));
        cable.client.plug_in();
        sends.join().unwrap();
    });
    let arrived: Vec<String> = (0..SENDS).map(|_| body(&watch.next_line())).collect();
    assert!(arrived.into_iter().eq((0..SENDS).map(|number| format!("cortado {number}"))));
    ana.run(&["send", "--to", "Usuario1", "depois"]).expect_status(0);
    assert_eq!(body(&watch.next_line()), "depois");
    assert!(ana.bodies().into_iter().eq((0..SENDS).map(|number| number.to_string())), "{:?}", ana.bodies());
}

#[test]
fn a_clients_address_may_change_while_it_is_connected() {
    let Some(cable) = Cable::lay("a client's new address") else { return };
    let data = data();
    let _server = cable.server.serve(data.path(), &["--lan"]);
    let ana = cable.server.person(HERE);
    assert_eq!(ana.name(), "Usuario0");
    let rui = cable.client.person(SERVER);
    let mut watch = watching(&rui);
    ana.run(&["send", "--to", "Usuario1", "antes"]).expect_status(0);
    assert_eq!(body(&watch.next_line()), "antes");
    cable.client.renumber(CLIENT, "10.77.0.3");
    ana.run(&["send", "--to", "Usuario1", "depois"]).expect_status(0);
    // By the connection's own clock, or at once where the system tells: either way without anybody's help.
    assert_eq!(body(&watch.next_line()), "depois");
    assert_eq!(ana.json(&["people"]).len(), 2, "the client became somebody else");
}

#[test]
fn a_servers_address_may_change_and_it_stays_the_same_server() {
    let Some(cable) = Cable::lay("a server's new address") else { return };
    let data = data();
    let server = cable.server.serve(data.path(), &["--lan"]);
    let rui = cable.client.person(SERVER);
    assert_eq!(rui.name(), "Usuario0");
    rui.run(&["send", "--to", "Usuario0", "antes"]).expect_status(0);
    cable.server.renumber(SERVER, "10.77.0.9");
    rui.run(&["--timeout", "2", "send", "--to", "Usuario0", "no caminho"]).expect_status(5);

    // It announces its new address by itself; to the profile it is the server it knows, with everything that waits.
    let new = format!("10.77.0.9:{PORT}");
    let found = found_at(&rui, &new);
    assert_eq!(found["fingerprint"], server.fingerprint.as_str(), "{found}");
    let rui = rui.moved_to(&new);
    assert_eq!(rui.name(), "Usuario0");
    assert_eq!(rui.bodies(), ["antes", "no caminho"]);
}

#[test]
fn a_server_that_is_stopped_leaves_the_list_of_those_who_search() {
    let Some(cable) = Cable::lay("a server that leaves") else { return };
    let data = data();
    let server = cable.server.serve(data.path(), &["--lan"]);
    cable.client.visit(|| {
        let discovery = Discovery::start(&Search::default(), || {});
        wait_for("the server's announcement", || (discovery.found().len() == 1).then_some(()));
        server.stop();
        // What was announced is good for two minutes unless it is withdrawn.
        wait_for("the server's goodbye", || discovery.found().is_empty().then_some(()));
    });
}

#[test]
fn what_keeps_two_computers_apart_is_told() {
    let Some(cable) = Cable::lay("what keeps two computers apart") else { return };
    let data = data();
    // Without --lan: the commonest mistake.
    let _server = cable.server.serve(data.path(), &[]);
    check_doctor(&cable, SERVER, "port", "doctor-refused");
    check_doctor(&cable, "10.77.0.99", "route", "doctor-host-unreachable");
    check_doctor(&cable, "10.88.0.1", "route", "doctor-no-route");
    cable.server.swallow(CLIENT);
    check_doctor(&cable, SERVER, "port", "doctor-no-answer");
    cable.client.unplug();
    check_doctor(&cable, SERVER, "route", "doctor-no-route");
}

/// How many messages each side sends while the cable is cut.
const SENDS: usize = 10;

/// The server that announces itself at this address, once it is found.
fn found_at(searcher: &Person, address: &str) -> Value {
    wait_for(&format!("an announcement of {address}"), || {
        let servers = searcher.json(&["servers"]);
        servers
            .into_iter()
            .find(|server| server["addresses"].as_array().is_some_and(|all| all.iter().any(|a| a == address)))
    })
}

/// Lets somebody watch, and waits until the server has greeted them.
fn watching(newcomer: &Person) -> Running {
    let mut watch = newcomer.start(&["--json", "watch"]);
    wait_for("the server's greeting", || {
        assert!(!watch.has_ended(), "watch ended: {}", watch.stderr());
        let archive = Reader::open(&newcomer.profile().join("archive.db"), &format!("{SERVER}:{PORT}")).ok()?;
        archive.name_at(&format!("{SERVER}:{PORT}")).ok()?
    });
    watch
}

fn is_connected(asker: &Person, name: &str) -> bool {
    asker.json(&["people"]).iter().any(|person| person["name"] == name && person["connected"] == true)
}

fn body(line: &str) -> String {
    malote_tests::parsed(line)["body"].as_str().expect("a body is a text").to_owned()
}

fn sentence(key: &str) -> String {
    let server = format!("{SERVER}:{PORT}");
    Texts::new(Language::Portuguese).with(key, &[("server", server.into())])
}

/// The doctor must find that this step fails, for this reason, and end with status 5.
#[track_caller]
fn check_doctor(cable: &Cable, host: &str, step: &str, key: &str) {
    let ended = cable.client.person(host).run(&["--json", "doctor"]).expect_status(5);
    let lines: Vec<Value> = ended.stdout.lines().map(malote_tests::parsed).collect();
    let failed = lines.iter().find(|line| line["result"] == "failed").expect("a step fails");
    let detail =
        Texts::new(Language::Portuguese).with(key, &[("host", host.into()), ("port", PORT.to_string().into())]);
    assert_eq!((failed["step"].as_str(), failed["detail"].as_str()), (Some(step), Some(detail.as_str())), "{ended:?}");
}
