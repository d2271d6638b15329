//! Whether the desktop is light or dark, now and when it changes.
//!
//! egui follows the system by itself where winit knows it; on Linux it does not, and the desktop portal is asked
//! (org.freedesktop.portal.Settings, namespace org.freedesktop.appearance).

use eframe::egui::{self, Theme};
use zbus::blocking::{Connection, Proxy};
use zbus::zvariant::{OwnedValue, Value};

const NAMESPACE: &str = "org.freedesktop.appearance";
const KEY: &str = "color-scheme";

/// Follows the desktop from a thread of its own. Where there is no portal, nothing changes.
pub fn follow(ctx: egui::Context) {
    let thread = std::thread::Builder::new().name("system theme".into());
    // Without the thread, the window is light.
    let _ = thread.spawn(move || drop(watch(&ctx)));
}

fn watch(ctx: &egui::Context) -> zbus::Result<()> {
    let connection = Connection::session()?;
    let settings = Proxy::new(
        &connection,
        "org.freedesktop.portal.Desktop",
        "/org/freedesktop/portal/desktop",
        "org.freedesktop.portal.Settings",
    )?;
    let changes = settings.receive_signal("SettingChanged")?;
    let now: OwnedValue = settings.call("Read", &(NAMESPACE, KEY))?;
    show(ctx, &now);
    for change in changes {
        if let Ok((namespace, key, value)) = change.body().deserialize::<(String, String, OwnedValue)>()
            && (namespace.as_str(), key.as_str()) == (NAMESPACE, KEY)
        {
            show(ctx, &value);
        }
    }
    Ok(())
}

fn show(ctx: &egui::Context, value: &Value) {
    if let Some(theme) = theme_of(value) {
        ctx.set_theme(theme);
        ctx.request_repaint();
    }
}

/// 1 is dark; 0 (no preference) and 2 are light. Some portals wrap the value twice.
fn theme_of(value: &Value) -> Option<Theme> {
    match value {
        Value::Value(inner) => theme_of(inner),
        Value::U32(1) => Some(Theme::Dark),
        Value::U32(_) => Some(Theme::Light),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes() {
        assert_eq!(theme_of(&Value::U32(1)), Some(Theme::Dark));
        assert_eq!(theme_of(&Value::Value(Box::new(Value::U32(2)))), Some(Theme::Light));
        assert_eq!(theme_of(&Value::U32(0)), Some(Theme::Light));
        assert_eq!(theme_of(&Value::from("dark")), None);
    }
}
