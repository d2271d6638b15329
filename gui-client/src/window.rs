//! What the window holds: the page that asks for a server, or the desk at one.

use std::time::{Duration, Instant};

use eframe::egui;
use malote_client::discovery::Search;
use malote_client::{Discovery, Profile, ServerAddress, explain};
use malote_texts::{Language, Texts};

use crate::app::App;
use crate::fatal::Fatal;
use crate::theme;
use crate::views::{self, servers::Choice, servers::Servers};

/// How long to listen for other servers before the only one is taken without asking: those of the network answer within a
/// second.
const LISTEN: Duration = Duration::from_millis(1500);

/// The window, from the choice of a server on.
pub struct Window {
    page: Page,
    search: Search,
    language: Language,
}

enum Page {
    Servers(Box<Chooser>),
    Desk(Box<App>),
    Failed(Fatal),
    /// For the moment in which one page makes place for the next.
    Turning,
}

/// The choice of a server.
struct Chooser {
    profile: Profile,
    servers: Servers,
    discovery: Discovery,
    /// From when on the only server is taken without asking; never where the person wanted to choose.
    decide_at: Option<Instant>,
    texts: Texts,
}

impl Window {
    /// Goes to the given server or the one that was chosen before; asks where there is neither. The error is a sentence
    /// for the user.
    pub fn new(
        ctx: &egui::Context,
        profile: Profile,
        server: Option<ServerAddress>,
        search: Search,
        language: Language,
    ) -> Result<Window, String> {
        let page = match server.or_else(|| profile.chosen_server()) {
            Some(server) => Page::Desk(Box::new(App::new(ctx, profile, server, Texts::new(language))?)),
            None => {
                theme::install(ctx);
                let decide_at = Some(Instant::now() + LISTEN);
                Page::Servers(Box::new(Chooser::new(ctx, profile, &search, decide_at, None, language)))
            }
        };
        Ok(Window { page, search, language })
    }

    /// The desk, if that is in view, for tests.
    pub fn desk(&self) -> Option<&App> {
        match &self.page {
            Page::Desk(app) => Some(app),
            _ => None,
        }
    }

    /// Leaves the server, and asks for another.
    fn leave(&mut self, ctx: &egui::Context) {
        let Page::Desk(app) = std::mem::replace(&mut self.page, Page::Turning) else { return };
        let texts = Texts::new(self.language);
        self.page = match app.leave() {
            Some((profile, before)) => {
                ctx.send_viewport_cmd(egui::ViewportCommand::Title(texts.get("app-name")));
                Page::Servers(Box::new(Chooser::new(ctx, profile, &self.search, None, Some(before), self.language)))
            }
            None => Page::Failed(Fatal::new(ctx, texts.get("servers-failed"), &texts)),
        };
    }

    /// Goes to the chosen server, and remembers it.
    fn enter(&mut self, ctx: &egui::Context, address: ServerAddress) {
        let Page::Servers(chooser) = std::mem::replace(&mut self.page, Page::Turning) else { return };
        let Chooser { profile, texts, .. } = *chooser;
        let remembered = profile.choose_server(&address).map_err(|error| explain::profile_error(&error, &texts));
        let app = remembered.and_then(|()| App::new(ctx, profile, address, Texts::new(self.language)));
        self.page = match app {
            Ok(app) => Page::Desk(Box::new(app)),
            Err(sentence) => Page::Failed(Fatal::new(ctx, sentence, &texts)),
        };
    }
}

impl Chooser {
    fn new(
        ctx: &egui::Context,
        profile: Profile,
        search: &Search,
        decide_at: Option<Instant>,
        before: Option<ServerAddress>,
        language: Language,
    ) -> Chooser {
        let servers = Servers { before, ..Servers::default() };
        let discovery = discover(ctx, search);
        Chooser { profile, servers, discovery, decide_at, texts: Texts::new(language) }
    }

    /// Takes in what was found, and says where to go where that needs no question.
    fn update(&mut self, ctx: &egui::Context) -> Option<ServerAddress> {
        self.servers.found = self.discovery.found();
        let decide_at = self.decide_at?;
        match decide_at.saturating_duration_since(Instant::now()) {
            Duration::ZERO => self.servers.obvious(),
            left => {
                ctx.request_repaint_after(left);
                None
            }
        }
    }
}

fn discover(ctx: &egui::Context, search: &Search) -> Discovery {
    let waker = ctx.clone();
    Discovery::start(search, move || waker.request_repaint())
}

impl eframe::App for Window {
    fn raw_input_hook(&mut self, ctx: &egui::Context, input: &mut egui::RawInput) {
        if let Page::Desk(app) = &mut self.page {
            app.raw_input_hook(ctx, input);
        }
    }

    fn logic(&mut self, ctx: &egui::Context, frame: &mut eframe::Frame) {
        let obvious = match &mut self.page {
            Page::Servers(chooser) => chooser.update(ctx),
            Page::Desk(app) => {
                app.logic(ctx, frame);
                None
            }
            Page::Failed(_) | Page::Turning => None,
        };
        if let Some(address) = obvious {
            self.enter(ctx, address);
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut eframe::Frame) {
        match &mut self.page {
            Page::Servers(chooser) => {
                let Chooser { servers, texts, .. } = &mut **chooser;
                let page = egui::CentralPanel::default().frame(views::ground(ui));
                match page.show(ui, |ui| views::servers::show(ui, servers, texts)).inner {
                    Some(Choice::Connect(address)) => self.enter(&ui.ctx().clone(), address),
                    Some(Choice::SearchAgain) => chooser.discovery = discover(ui.ctx(), &self.search),
                    None => return,
                }
                ui.ctx().request_repaint();
            }
            Page::Desk(app) => {
                app.ui(ui, frame);
                if app.wants_other_server() {
                    self.leave(&ui.ctx().clone());
                    ui.ctx().request_repaint();
                }
            }
            Page::Failed(fatal) => fatal.ui(ui, frame),
            Page::Turning => {}
        }
    }

    fn on_exit(&mut self, gl: Option<&eframe::glow::Context>) {
        if let Page::Desk(app) = &mut self.page {
            app.on_exit(gl);
        }
    }
}
