//! `malote`: reads its flags, opens the profile and the window.

use std::error::Error;
use std::ffi::OsString;
use std::process::ExitCode;
use std::str::FromStr;

use clap::{CommandFactory, FromArgMatches, Parser, ValueEnum};
use eframe::egui::{self, ViewportBuilder};
use malote::{fatal::Fatal, system_theme, theme, window::Window};
use malote_client::discovery::Search;
use malote_client::{Profile, ServerAddress, explain};
use malote_texts::{Language, Texts, clap::translated};

#[derive(Debug, Parser)]
#[command(name = "malote", version)]
struct Flags {
    #[arg(long, value_name = "HOST:PORT")]
    server: Option<ServerAddress>,
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    #[arg(long, value_name = "pt-BR|en")]
    lang: Option<Language>,
    #[arg(long, value_enum, default_value = "system")]
    theme: Appearance,
    #[arg(long, value_name = "WxH[+X+Y]")]
    geometry: Option<Geometry>,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Appearance {
    System,
    Light,
    Dark,
}

/// Where a window stands, in X's notation.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Geometry {
    size: [f32; 2],
    position: Option<[f32; 2]>,
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let texts = Texts::new(Language::from_arguments(&arguments));
    let matches = translated(Flags::command(), "window", &texts).try_get_matches_from(arguments);
    let matches = matches.unwrap_or_else(|error| refuse(&error, &texts));
    let flags = Flags::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match run(flags, texts) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Ends the program because of what was typed, or shows the help that was asked for.
fn refuse(error: &clap::Error, texts: &Texts) -> ! {
    // clap explains what programmers get wrong; an address is what everybody types.
    if let Some(typed) = error.source().and_then(|source| source.downcast_ref()) {
        eprintln!("{}", explain::not_an_address(typed, texts));
        std::process::exit(error.exit_code());
    }
    error.exit()
}

/// Opens the window and returns when it is closed: whether it was the real one.
fn run(flags: Flags, texts: Texts) -> eframe::Result<bool> {
    let profile = Profile::open(flags.profile.as_deref()).map_err(|error| explain::profile_error(&error, &texts));
    let mut viewport = ViewportBuilder::default()
        .with_app_id("malote")
        .with_title(texts.get("app-name"))
        .with_min_inner_size(theme::MIN_WINDOW)
        .with_inner_size(theme::WINDOW);
    if let Some(geometry) = flags.geometry {
        // Who asks for a smaller window gets it.
        viewport =
            viewport.with_inner_size(geometry.size).with_min_inner_size(theme::MIN_WINDOW.min(geometry.size.into()));
        if let Some(position) = geometry.position {
            viewport = viewport.with_position(position);
        }
    }
    let options = eframe::NativeOptions { viewport, renderer: eframe::Renderer::Glow, ..Default::default() };
    let opened = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let result = opened.clone();
    let create = move |cc: &eframe::CreationContext<'_>| -> Result<Box<dyn eframe::App>, _> {
        let ctx = &cc.egui_ctx;
        let language = texts.language();
        let window = profile.and_then(|profile| Window::new(ctx, profile, flags.server, Search::default(), language));
        appear(ctx, flags.theme);
        match window {
            Ok(window) => {
                opened.store(true, std::sync::atomic::Ordering::Relaxed);
                Ok(Box::new(window))
            }
            Err(sentence) => {
                eprintln!("{sentence}");
                Ok(Box::new(Fatal::new(ctx, sentence, &texts)))
            }
        }
    };
    eframe::run_native("malote", options, Box::new(create))?;
    Ok(result.load(std::sync::atomic::Ordering::Relaxed))
}

fn appear(ctx: &egui::Context, appearance: Appearance) {
    match appearance {
        Appearance::System => system_theme::follow(ctx.clone()),
        Appearance::Light => ctx.set_theme(egui::Theme::Light),
        Appearance::Dark => ctx.set_theme(egui::Theme::Dark),
    }
}

impl FromStr for Geometry {
    type Err = String;

    fn from_str(text: &str) -> Result<Geometry, String> {
        let error = || "WxH[+X+Y]".to_owned();
        let numbers = |part: &str, separator: char| -> Option<[f32; 2]> {
            let (a, b) = part.split_once(separator)?;
            Some([f32::from(a.parse::<u16>().ok()?), f32::from(b.parse::<u16>().ok()?)])
        };
        let (size, position) = match text.split_once('+') {
            Some((size, position)) => (size, Some(numbers(position, '+').ok_or_else(error)?)),
            None => (text, None),
        };
        Ok(Geometry { size: numbers(size, 'x').ok_or_else(error)?, position })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geometries() {
        let geometry = |size, position| Ok(Geometry { size, position });
        assert_eq!("700x500".parse::<Geometry>(), geometry([700.0, 500.0], None));
        assert_eq!("640x700+640+0".parse::<Geometry>(), geometry([640.0, 700.0], Some([640.0, 0.0])));
        for wrong in ["", "700", "700x", "x500", "1x2+3", "-1x5"] {
            assert!(wrong.parse::<Geometry>().is_err(), "{wrong}");
        }
    }
}
