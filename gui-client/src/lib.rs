//! Malote's window. `main.rs` opens it; tests drive [`app::App`] without one.

pub mod action;
pub mod app;
mod apply;
pub mod company;
pub mod fatal;
pub mod listed;
pub mod model;
pub mod system_theme;
pub mod theme;
mod times;
pub mod views;
pub mod window;
