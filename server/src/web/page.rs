//! The page for browsers: its files, which are part of the program, and its texts.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use malote_texts::Language;

/// A file of the page.
struct Asset {
    /// Where browsers find it.
    path: &'static str,
    content_type: &'static str,
    body: &'static [u8],
}

macro_rules! asset {
    ($path:expr, $content_type:literal, $file:literal) => {
        Asset { path: $path, content_type: $content_type, body: include_bytes!(concat!("page/", $file)) }
    };
}

macro_rules! script {
    ($file:literal) => {
        asset!(concat!("/", $file), "text/javascript; charset=utf-8", $file)
    };
}

/// Everything in `page/`.
const ASSETS: &[Asset] = &[
    asset!("/", "text/html; charset=utf-8", "index.html"),
    asset!("/look.css", "text/css; charset=utf-8", "look.css"),
    asset!("/layout.css", "text/css; charset=utf-8", "layout.css"),
    script!("actions.js"),
    script!("address.js"),
    script!("bytes.js"),
    script!("content.js"),
    script!("dom.js"),
    script!("keys.js"),
    script!("letters.js"),
    script!("main.js"),
    script!("model.js"),
    script!("name-letters.js"),
    script!("names.js"),
    script!("outbox.js"),
    script!("receipts.js"),
    script!("sent.js"),
    script!("session.js"),
    script!("shortcuts.js"),
    script!("states.js"),
    script!("store.js"),
    script!("text.js"),
    script!("texts.js"),
    script!("times.js"),
    script!("view-dialogs.js"),
    script!("view-form.js"),
    script!("view-letter.js"),
    script!("view-list.js"),
    script!("view-side.js"),
    script!("view-status.js"),
    script!("wire.js"),
];

/// Serves the page's files, and its texts as JSON: the text under each key, with its places left as they are.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let files = ASSETS.iter().fold(Router::new(), |router, asset| {
        router.route(asset.path, get(|| async { ([(CONTENT_TYPE, asset.content_type)], asset.body) }))
    });
    [Language::Portuguese, Language::English].into_iter().fold(files, |router, language| {
        router.route(&format!("/texts/{}.json", language.tag()), get(move || async move { texts(language) }))
    })
}

fn texts(language: Language) -> impl IntoResponse {
    let texts: serde_json::Map<_, _> =
        language.page_texts().into_iter().map(|(key, text)| (key, serde_json::Value::String(text))).collect();
    ([(CONTENT_TYPE, "application/json")], serde_json::Value::Object(texts).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn every_file_of_the_page_is_served() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/page");
        let files: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| format!("/{}", file.unwrap().file_name().into_string().unwrap()))
            .map(|path| if path == "/index.html" { "/".to_owned() } else { path })
            .collect();
        let served = ASSETS.iter().map(|asset| asset.path.to_owned()).collect();
        assert_eq!(files, served);
    }
}
