//! The page for browsers in a real browser, with a real server and the command line as the other side.

mod conversations;
mod gallery;
mod people;
mod safety;
mod survival;
mod units;
mod webdriver;
