//! The page for browsers in a real browser, with a real server and the command line as the other side.

mod gallery;
mod people;
mod server;
mod webdriver;
