//! Everything a user can do. Buttons, keys and lists say it with these; [`crate::apply`] does it.

use eframe::egui::{Key, KeyboardShortcut, Modifiers};
use malote_common::fingerprint::Fingerprint;
use malote_common::{MailboxId, Name};

use crate::model::List;

/// One thing a user can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Send,
    ClearForm,
    /// An empty form with the cursor in it; what stood there can be brought back.
    New,
    /// An answer to the open message.
    Reply,
    /// Close what is open for reading.
    Close,
    /// Empty the list in view: the inbox, or a room's.
    ClearList,
    UndoClearForm,
    UndoClearInbox,
    ConnectNow,
    /// The server's new key is the right one; asked twice.
    Trust(Fingerprint),
    AskTrust,
    /// Bring a place into view.
    Show(List),
    /// The place behind or before the one in view, in the order of the side bar.
    NextPlace,
    PreviousPlace,
    /// Enter the room whose name was typed, or make it.
    FindRoom,
    EnterRoom(Name),
    LeaveRoom(MailboxId),
    /// Ask for another name.
    AskName,
    TakeName,
    /// Keep the name that there is.
    SkipName,
    /// It is really for everybody; or it is not.
    SendToEverybody,
    DoNotSend,
    /// Open a received message: its row.
    Open(i64),
    /// Open a message that was sent: its row.
    OpenSent(i64),
    /// Put the open sent message back into the form.
    EditAgain,
    /// Open the message behind or before the open one in the list.
    OpenNext,
    OpenPrevious,
    /// Go to the search field.
    Search,
    /// Look for what was typed there.
    Find,
    /// Empty it, and go back to the list that was in view before.
    EndSearch,
    /// Open the newest message that was found, and go on in the list.
    OpenFound,
    /// Take this name for the one that is being typed.
    Complete(String),
    TellRead(bool),
    /// Test the connection step by step.
    Diagnose,
    DiagnoseAgain,
    CloseDiagnosis,
    /// Leave this server and choose another.
    ChangeServer,
}

/// The actions that have a key.
pub const WITH_KEYS: [Action; 8] = [
    Action::Send,
    Action::New,
    Action::Reply,
    Action::Close,
    Action::NextPlace,
    Action::PreviousPlace,
    Action::Show(List::Rooms),
    Action::Search,
];

impl Action {
    /// The text for a button, in the translation files.
    pub fn label(&self) -> &'static str {
        match self {
            Action::Send => "action-send",
            Action::ClearForm => "action-clear-form",
            Action::New => "action-new",
            Action::Reply => "action-reply",
            Action::Close => "action-close",
            Action::ClearList => "action-clear-list",
            Action::UndoClearForm | Action::UndoClearInbox => "action-undo",
            Action::ConnectNow => "action-connect-now",
            Action::AskTrust => "action-trust",
            Action::Trust(_) => "action-trust-confirm",
            Action::EditAgain => "action-edit-again",
            Action::Show(List::Inbox) => "inbox",
            Action::Show(List::Sent) => "sent",
            Action::Show(List::Rooms) => "action-rooms",
            Action::FindRoom => "action-find-room",
            Action::EnterRoom(_) => "action-enter-room",
            Action::LeaveRoom(_) => "action-leave-room",
            Action::AskName => "action-ask-name",
            Action::TakeName => "action-take-name",
            Action::SkipName => "action-skip-name",
            Action::SendToEverybody => "action-send-everybody",
            Action::DoNotSend => "action-do-not-send",
            Action::TellRead(_) => "options-tell-read",
            Action::Search => "action-search",
            Action::EndSearch => "action-end-search",
            Action::Diagnose => "action-diagnose",
            Action::DiagnoseAgain => "action-diagnose-again",
            Action::CloseDiagnosis => "action-back",
            Action::ChangeServer => "action-change-server",
            Action::Find | Action::OpenFound | Action::Show(_) | Action::NextPlace | Action::PreviousPlace => "",
            Action::Open(_) | Action::OpenSent(_) | Action::OpenNext | Action::OpenPrevious | Action::Complete(_) => "",
        }
    }

    /// The text that explains it, where the label does not say enough.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Action::Send => Some("action-send-hint"),
            Action::ClearForm => Some("action-clear-form-hint"),
            Action::New => Some("action-new-hint"),
            Action::Reply => Some("action-reply-hint"),
            Action::Close => Some("action-close-hint"),
            Action::ClearList => Some("action-clear-list-hint"),
            Action::Show(List::Rooms) => Some("action-rooms-hint"),
            Action::Search => Some("action-search-hint"),
            Action::EndSearch => Some("action-end-search-hint"),
            Action::LeaveRoom(_) => Some("action-leave-room-hint"),
            Action::EditAgain => Some("action-edit-again-hint"),
            _ => None,
        }
    }

    pub fn shortcut(&self) -> Option<KeyboardShortcut> {
        match self {
            Action::Send => Some(KeyboardShortcut::new(Modifiers::COMMAND, Key::Enter)),
            Action::New => Some(KeyboardShortcut::new(Modifiers::COMMAND, Key::N)),
            Action::Reply => Some(KeyboardShortcut::new(Modifiers::COMMAND, Key::R)),
            Action::Close => Some(KeyboardShortcut::new(Modifiers::NONE, Key::Escape)),
            Action::Show(List::Rooms) => Some(KeyboardShortcut::new(Modifiers::COMMAND, Key::J)),
            Action::Search => Some(KeyboardShortcut::new(Modifiers::COMMAND, Key::F)),
            Action::NextPlace => Some(KeyboardShortcut::new(Modifiers::COMMAND, Key::PageDown)),
            Action::PreviousPlace => Some(KeyboardShortcut::new(Modifiers::COMMAND, Key::PageUp)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use malote_texts::{Language, Texts};

    #[test]
    fn every_label_and_hint_is_translated() {
        let texts = Texts::new(Language::Portuguese);
        let fingerprint = Fingerprint([0; 32]);
        let actions = [
            Action::Send,
            Action::ClearForm,
            Action::New,
            Action::Reply,
            Action::Close,
            Action::ClearList,
            Action::UndoClearForm,
            Action::ConnectNow,
            Action::AskTrust,
            Action::Trust(fingerprint),
            Action::EditAgain,
            Action::Show(List::Inbox),
            Action::Show(List::Sent),
            Action::Show(List::Rooms),
            Action::FindRoom,
            Action::EnterRoom(Name::given(0)),
            Action::LeaveRoom(MailboxId(1)),
            Action::AskName,
            Action::TakeName,
            Action::SkipName,
            Action::SendToEverybody,
            Action::DoNotSend,
            Action::TellRead(true),
            Action::Diagnose,
            Action::DiagnoseAgain,
            Action::CloseDiagnosis,
            Action::ChangeServer,
            Action::Search,
            Action::EndSearch,
        ];
        for action in actions {
            assert!(texts.find(action.label(), &[]).is_some(), "{action:?}");
            assert!(action.hint().is_none_or(|hint| texts.find(hint, &[]).is_some()), "{action:?}");
        }
    }

    #[test]
    fn no_two_actions_share_a_key() {
        for (index, action) in WITH_KEYS.iter().enumerate() {
            assert!(WITH_KEYS[..index].iter().all(|other| other.shortcut() != action.shortcut()), "{action:?}");
        }
    }
}
