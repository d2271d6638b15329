//! A browser that tests drive: Chromium without a window, through the WebDriver protocol (W3C WebDriver, 2018).

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use malote_tests::{PATIENCE, Running, wait_for};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Under which WebDriver names an element in JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// How often we look whether something has happened yet.
const POLL: Duration = Duration::from_millis(20);

/// Keys without a letter, as WebDriver writes them.
pub mod key {
    pub const ENTER: &str = "\u{e007}";
    pub const CONTROL: &str = "\u{e009}";
    pub const ALT: &str = "\u{e00a}";
    pub const TAB: &str = "\u{e004}";
    pub const ESCAPE: &str = "\u{e00c}";
    pub const DOWN: &str = "\u{e015}";
}

/// How large a screen is, in CSS pixels.
#[derive(Clone, Copy, Debug)]
pub enum Screen {
    Desktop,
    Tablet,
    Phone,
}

impl Screen {
    fn metrics(self) -> Value {
        let (width, height, mobile) = match self {
            Screen::Desktop => (1280, 800, false),
            Screen::Tablet => (820, 1180, true),
            Screen::Phone => (390, 844, true),
        };
        json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile })
    }
}

/// A browser with a profile of its own. Both are gone when it is dropped.
pub struct Browser {
    agent: ureq::Agent,
    /// Where commands of this session go.
    session: String,
    _driver: Running,
    _profile: TempDir,
}

impl Browser {
    /// Opens a browser that prefers this language, at this address.
    pub fn open(url: &str, language: &str, screen: Screen) -> Browser {
        let profile = tempfile::tempdir().expect("a folder for the browser's profile");
        let mut driver = Running::start(Command::new("chromedriver").arg("--port=0"));
        let port = wait_for("a driver of browsers", || {
            let line = driver.next_line();
            let (_, port) = line.split_once("started successfully on port ")?;
            Some(port.trim_end_matches('.').to_owned())
        });
        let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false);
        let agent = ureq::Agent::new_with_config(config.build());
        let arguments = [
            "--headless=new",
            // Tests run as root in containers, where Chromium's own sandbox cannot be made.
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let options = json!({ "args": arguments, "prefs": { "intl.accept_languages": language } });
        // A script is waited for as anything else is: half a minute is little where ten thousand rows are written on a busy machine.
        let timeouts = json!({ "script": PATIENCE.as_millis() as u64 });
        let capabilities = json!({ "browserName": "chrome", "goog:chromeOptions": options, "timeouts": timeouts });
        let address = format!("http://127.0.0.1:{port}/session");
        let mut answer = agent
            .post(&address)
            .send_json(json!({ "capabilities": { "alwaysMatch": capabilities } }))
            .expect("the driver answers");
        let answer: Value = answer.body_mut().read_json().expect("the driver answers JSON");
        let id = answer["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("no browser: {answer}"));
        let browser = Browser { agent, session: format!("{address}/{id}"), _driver: driver, _profile: profile };
        browser.resize(screen);
        browser.prefer("light");
        browser.go(url);
        browser
    }

    pub fn go(&self, url: &str) {
        self.post("url", json!({ "url": url }));
    }

    pub fn reload(&self) {
        self.post("refresh", json!({}));
    }

    pub fn resize(&self, screen: Screen) {
        self.devtools("Emulation.setDeviceMetricsOverride", screen.metrics());
    }

    /// Says that the system is dark, or light.
    pub fn prefer(&self, scheme: &str) {
        // What moves cannot be clicked on with certainty.
        let still = json!({ "name": "prefers-reduced-motion", "value": "reduce" });
        let features = [json!({ "name": "prefers-color-scheme", "value": scheme }), still];
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Runs a script in the page: the body of a function with `arguments`.
    #[track_caller]
    pub fn run(&self, script: &str, arguments: Value) -> Value {
        self.post("execute/sync", json!({ "script": script, "args": arguments }))
    }

    /// The same for the body of an asynchronous function, which answers through its last argument.
    #[track_caller]
    pub fn run_async(&self, script: &str, arguments: Value) -> Value {
        let script = format!("(async function () {{ {script} }}).apply(null, arguments);");
        self.post("execute/async", json!({ "script": script, "args": arguments }))
    }

    /// The tab that is driven.
    pub fn tab(&self) -> String {
        self.get("window").as_str().expect("a tab has a name").to_owned()
    }

    /// Opens another tab at this address, and drives it from now on.
    pub fn new_tab(&self, url: &str) -> String {
        let tab = self.post("window/new", json!({ "type": "tab" }))["handle"].as_str().expect("a new tab").to_owned();
        self.switch_to(&tab);
        self.go(url);
        tab
    }

    /// Drives another tab.
    pub fn switch_to(&self, tab: &str) {
        self.post("window", json!({ "handle": tab }));
    }

    /// Clicks on the first visible element; the error says why that cannot be done now.
    pub fn try_click(&self, css: &str) -> Result<(), String> {
        let element = self.find(css).ok_or_else(|| "it cannot be seen".to_owned())?;
        self.try_post(&format!("element/{element}/click"), json!({})).map(drop)
    }

    /// Waits for the first visible element, and clicks on it.
    #[track_caller]
    pub fn click(&self, css: &str) {
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = self.try_click(css) {
            if Instant::now() >= deadline {
                self.picture("failed");
                panic!("no click on {css}: {error}; the page: {}", self.text("body"));
            }
            thread::sleep(POLL);
        }
    }

    /// Clicks on the visible element among these whose text holds `text`.
    #[track_caller]
    pub fn click_text(&self, css: &str, text: &str) {
        const SCRIPT: &str = "
            const found = [...document.querySelectorAll(arguments[0])];
            const element = found.find((e) => e.checkVisibility() && e.textContent.includes(arguments[1]));
            element?.click();
            return Boolean(element);";
        wait_for(&format!("{css} with {text:?}"), || self.run(SCRIPT, json!([css, text])).as_bool()?.then_some(()));
    }

    /// Replaces what stands in a field.
    #[track_caller]
    pub fn write(&self, css: &str, text: &str) {
        self.click(css);
        self.run("const field = document.querySelector(arguments[0]); field.focus(); field.select();", json!([css]));
        self.keys(if text.is_empty() { "\u{e003}" } else { text });
    }

    /// Presses keys wherever the focus is.
    #[track_caller]
    pub fn keys(&self, keys: &str) {
        let active = self.get("element/active");
        let element = active[ELEMENT].as_str().expect("an element has the focus").to_owned();
        self.post(&format!("element/{element}/value"), json!({ "text": keys }));
    }

    /// Presses a key while another one is held.
    pub fn chord(&self, held: &str, key: &str) {
        let press = |kind: &str, key: &str| json!({ "type": kind, "value": key });
        let keys = [press("keyDown", held), press("keyDown", key), press("keyUp", key), press("keyUp", held)];
        self.act(&keys);
    }

    /// Presses a key, whatever has the focus.
    pub fn press(&self, key: &str) {
        self.act(&[json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]);
    }

    fn act(&self, keys: &[Value]) {
        self.post("actions", json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": keys }] }));
    }

    /// The text of the visible elements, one line each.
    #[track_caller]
    pub fn text(&self, css: &str) -> String {
        const SCRIPT: &str = "
            const found = [...document.querySelectorAll(arguments[0])];
            return found.filter((e) => e.checkVisibility()).map((e) => e.innerText ?? e.textContent).join('\\n');";
        self.run(SCRIPT, json!([css])).as_str().unwrap_or_default().to_owned()
    }

    /// Waits until these elements say so.
    #[track_caller]
    pub fn wait_text(&self, css: &str, text: &str) {
        let mut last = String::new();
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            last = self.text(css);
            if last.contains(text) {
                return;
            }
            thread::sleep(POLL);
        }
        self.picture("failed");
        panic!("{css} does not say {text:?} but {last:?}; the page: {}", self.text("body"));
    }

    /// Keeps a picture of the page under `browser/` in the target folder.
    pub fn picture(&self, name: &str) {
        let folder = pictures();
        fs::create_dir_all(&folder).expect("a folder for pictures");
        let picture = self.get("screenshot");
        let picture = BASE64_STANDARD.decode(picture.as_str().unwrap_or_default()).expect("a picture in base64");
        fs::write(folder.join(format!("{name}.png")), picture).expect("a picture is written");
    }

    /// The element that this selects and that can be seen.
    fn find(&self, css: &str) -> Option<String> {
        const SCRIPT: &str = "
            return [...document.querySelectorAll(arguments[0])].find((e) => e.checkVisibility()) ?? null;";
        Some(self.run(SCRIPT, json!([css]))[ELEMENT].as_str()?.to_owned())
    }

    fn devtools(&self, command: &str, parameters: Value) {
        self.post("goog/cdp/execute", json!({ "cmd": command, "params": parameters }));
    }

    #[track_caller]
    fn post(&self, command: &str, body: Value) -> Value {
        self.try_post(command, body).unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    fn try_post(&self, command: &str, body: Value) -> Result<Value, String> {
        let answer = self.agent.post(format!("{}/{command}", self.session)).send_json(body);
        read(answer)
    }

    #[track_caller]
    fn get(&self, command: &str) -> Value {
        let answer = self.agent.get(format!("{}/{command}", self.session)).call();
        read(answer).unwrap_or_else(|error| panic!("{command}: {error}"))
    }
}

impl Drop for Browser {
    /// Ends the browser; ending its driver alone would leave it running.
    fn drop(&mut self) {
        let _ = self.agent.delete(&self.session).call();
    }
}

/// What WebDriver answers; its errors say what went wrong under `error`.
fn read(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value, String> {
    let mut answer = answer.map_err(|error| error.to_string())?;
    let answer: Value =
        answer.body_mut().with_config().limit(64 * 1024 * 1024).read_json().map_err(|e| e.to_string())?;
    let value = &answer["value"];
    match value["error"].as_str() {
        Some(error) if value["stacktrace"].is_string() => Err(format!("{error}: {}", value["message"])),
        _ => Ok(value.clone()),
    }
}

/// Tests lie two folders below the target folder.
fn pictures() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own file");
    test.ancestors().nth(3).expect("a test lies below a target folder").join("browser")
}
