//! What one frame costs the processor: events, layout and tessellation, on the thread that draws.
//!
//! Not in it is what the graphics card does, or what draws in its place.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use eframe::App as _;
use eframe::egui::{self, Event, Key, Modifiers, MouseWheelUnit, Pos2, RawInput, Rect, TouchPhase, pos2, vec2};
use malote::app::App;
use malote::model::List;
use malote_client::{Profile, ServerAddress};
use malote_texts::{Language, Texts};
use rustix::time::{ClockId, clock_gettime};

use crate::{milliseconds, percentile, report};

/// Frames while the list is scrolled.
const FRAMES: usize = 600;

/// A frame of a display.
const FRAME: f64 = 1.0 / 60.0;

/// A place in the list.
const IN_LIST: Pos2 = pos2(320.0, 500.0);

/// Points a frame: a wheel that is turned, and one that is spun, where nothing in view was in view before.
const TURNED: f32 = 50.0;
const SPUN: f32 = 3_000.0;

/// A window without a screen.
struct Stage {
    ctx: egui::Context,
    app: App,
    frame: eframe::Frame,
    time: f64,
}

/// Measures what frames cost, and gives the profile back.
pub fn measure(profile: Profile, server: &ServerAddress) -> Result<Profile> {
    let ctx = egui::Context::default();
    let start = Instant::now();
    let app = App::new(&ctx, profile, server.clone(), Texts::new(Language::Portuguese)).map_err(anyhow::Error::msg)?;
    let opened = start.elapsed();
    let mut stage = Stage { ctx, app, frame: eframe::Frame::_new_kittest(), time: 0.0 };
    stage.draw(Vec::new());
    report("opening the archive and the desk", milliseconds(opened), "ms", None);
    report("the same and the first layout", milliseconds(start.elapsed()), "ms", None);
    (0..10).for_each(|_| _ = stage.draw(Vec::new()));

    for (name, points) in [("wheel turned", TURNED), ("wheel spun", SPUN)] {
        let times: Vec<Duration> = (0..FRAMES).map(|_| stage.draw(vec![wheel(points)])).collect();
        costs(&format!("frame, {name}"), times);
    }
    type_a_search(&mut stage)?;
    let times = (0..FRAMES).map(|_| stage.draw(vec![wheel(TURNED)])).collect();
    costs("frame, what was found scrolled", times);
    let (profile, _) = stage.app.leave().context("the client has ended")?;
    Ok(profile)
}

/// Each letter finds at once, in the frame in which it is typed.
fn type_a_search(stage: &mut Stage) -> Result<()> {
    let control_f =
        Event::Key { key: Key::F, physical_key: None, pressed: true, repeat: false, modifiers: Modifiers::COMMAND };
    stage.draw(vec![Event::PointerMoved(IN_LIST)]);
    stage.draw(vec![control_f]);
    stage.draw(Vec::new());
    let mut slowest = Duration::ZERO;
    for letter in "orçamento do telhado".chars() {
        // What was typed is looked for behind the frame that takes it in, and shown in the next.
        let typed = stage.draw(vec![Event::Text(letter.to_string())]);
        slowest = slowest.max(typed).max(stage.draw(Vec::new()));
    }
    anyhow::ensure!(
        stage.app.model().list == List::Found && !stage.app.model().search.found.is_empty(),
        "nothing found"
    );
    report("frame, a letter of a search typed, slowest", milliseconds(slowest), "ms", Some(30.0));
    Ok(())
}

fn costs(name: &str, times: Vec<Duration>) {
    report(&format!("{name}, p50"), milliseconds(percentile(times.clone(), 50)), "ms", None);
    report(&format!("{name}, p99"), milliseconds(percentile(times, 99)), "ms", Some(4.0));
}

fn wheel(points: f32) -> Event {
    let (unit, phase) = (MouseWheelUnit::Point, TouchPhase::Move);
    let source = egui::MouseWheelSource::Unknown;
    Event::MouseWheel { unit, delta: vec2(0.0, -points), phase, source, modifiers: Modifiers::NONE }
}

impl Stage {
    /// Draws one frame, and tells how long the processor worked on it.
    fn draw(&mut self, mut events: Vec<Event>) -> Duration {
        events.insert(0, Event::PointerMoved(IN_LIST));
        self.time += FRAME;
        let screen_rect = Some(Rect::from_min_size(Pos2::ZERO, malote::theme::WINDOW));
        let mut input = RawInput { screen_rect, time: Some(self.time), events, ..RawInput::default() };
        let start = clock_gettime(ClockId::ThreadCPUTime);
        self.app.raw_input_hook(&self.ctx, &mut input);
        let mut output = self.ctx.run_ui(input, |ui| {
            self.app.logic(ui.ctx(), &mut self.frame);
            self.app.ui(ui, &mut self.frame);
        });
        let primitives = self.ctx.tessellate(output.shapes, output.pixels_per_point);
        let end = clock_gettime(ClockId::ThreadCPUTime);
        std::hint::black_box(primitives);
        output.textures_delta.clear();
        Duration::new(end.tv_sec as u64, end.tv_nsec as u32) - Duration::new(start.tv_sec as u64, start.tv_nsec as u32)
    }
}
