//! What rows say: the words of the protocol to the letter, and anything else refused by the field's name.

use nc_wire::content::{
    Attachment, Card, ChatIn, Choice, CliResponse, Edit, Incoming, Outgoing, Question, QuestionResponse, Reaction,
    ReplyTo, Request, TaskIn, TextOut, WebhookIn,
};
use nc_wire::json::{Fields, parse};
use nc_wire::mailbox::{InKind, OutKind};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

#[test]
fn what_the_host_says_is_written_to_the_letter() {
    let chat = ChatIn {
        sender: "Ana".into(),
        sender_id: "terminal:ana".into(),
        text: "look \"here\"".into(),
        attachments: vec![Attachment {
            kind: "image".into(),
            name: Some("a.png".into()),
            mime_type: Some("image/png".into()),
            size: Some(3),
            local_path: Some("inbox/1:1/a.png".into()),
            url: None,
        }],
        reply_to: Some(ReplyTo { id: Some("2".into()), sender: None, text: Some("before".into()) }),
        is_from_me: false,
    };
    let cases = [
        (
            Incoming::Chat(chat),
            r#"{"sender":"Ana","senderId":"terminal:ana","text":"look \"here\"","attachments":[{"type":"image","name":"a.png","mimeType":"image/png","size":3,"localPath":"inbox/1:1/a.png"}],"replyTo":{"id":"2","text":"before"},"isFromMe":false}"#,
        ),
        (Incoming::Task(TaskIn { prompt: "p".into(), script: None }), r#"{"prompt":"p"}"#),
        (
            Incoming::Webhook(WebhookIn { source: "s".into(), event: "e".into(), payload: json!([1]) }),
            r#"{"source":"s","event":"e","payload":[1]}"#,
        ),
        (
            Incoming::QuestionResponse(QuestionResponse {
                question_id: "q".into(),
                selected_option: "yes".into(),
                user_id: "u".into(),
            }),
            r#"{"type":"question_response","questionId":"q","selectedOption":"yes","userId":"u"}"#,
        ),
        (
            Incoming::CliResponse(CliResponse { request_id: "r".into(), frame: json!({"ok": false}) }),
            r#"{"type":"cli_response","requestId":"r","frame":{"ok":false}}"#,
        ),
    ];
    for (said, written) in cases {
        assert_eq!(said.to_json(), written);
        assert_eq!(Incoming::read(said.kind(), written).expect("it reads"), said);
    }
}

#[test]
fn what_is_missing_or_new_in_a_message_in_is_no_error() {
    let said = Incoming::read(InKind::Chat, r#"{"text":"x","later":{}}"#).expect("it reads");
    assert_eq!(said, Incoming::Chat(ChatIn { text: "x".into(), ..ChatIn::default() }));
    let system = Incoming::read(InKind::System, r#"{"type":"later"}"#).expect("it reads");
    assert!(matches!(system, Incoming::OtherSystem(_)));
    assert!(Incoming::read(InKind::Task, r#"{"prompt":3}"#).is_err());
}

#[test]
fn what_an_agent_says_is_written_and_read_to_the_letter() {
    let choice = |label: &str, selected: &str, value: &str| Choice {
        label: label.into(),
        selected_label: selected.into(),
        value: value.into(),
    };
    let question = Question {
        question_id: "q".into(),
        title: "T".into(),
        question: "Which?".into(),
        options: vec![choice("A", "A!", "a"), choice("B", "B", "B")],
    };
    let fields = Map::from_iter([("prompt".to_owned(), json!("p"))]);
    let cases = [
        (Outgoing::text("hi"), OutKind::Chat, r#"{"text":"hi"}"#),
        (
            Outgoing::Text(TextOut { text: "*hi*".into(), markdown: true, files: vec!["a.txt".into()] }),
            OutKind::Chat,
            r#"{"markdown":"*hi*","files":["a.txt"]}"#,
        ),
        (
            Outgoing::Edit(Edit { message_id: "m".into(), text: "t".into() }),
            OutKind::Chat,
            r#"{"operation":"edit","messageId":"m","text":"t"}"#,
        ),
        (
            Outgoing::Reaction(Reaction { message_id: "m".into(), emoji: "thumbs_up".into() }),
            OutKind::Chat,
            r#"{"operation":"reaction","messageId":"m","emoji":"thumbs_up"}"#,
        ),
        (
            Outgoing::Question(question),
            OutKind::ChatSdk,
            r#"{"type":"ask_question","questionId":"q","title":"T","question":"Which?","options":[{"label":"A","selectedLabel":"A!","value":"a"},{"label":"B","selectedLabel":"B","value":"B"}]}"#,
        ),
        (
            Outgoing::Card(Card { card: r#"{"title":"x"}"#.into(), fallback_text: "f".into() }),
            OutKind::ChatSdk,
            r#"{"type":"card","card":{"title":"x"},"fallbackText":"f"}"#,
        ),
        (
            Outgoing::Request(Request::new("schedule_task", Some("r1"), fields)),
            OutKind::System,
            r#"{"prompt":"p","action":"schedule_task","requestId":"r1"}"#,
        ),
    ];
    for (said, kind, written) in cases {
        assert_eq!((said.kind(), said.to_json().as_str()), (kind, written));
        assert_eq!(Outgoing::read(kind, written).expect("it reads"), said);
    }
}

#[test]
fn forms_of_other_runners_are_taken() {
    let read = |kind, text: &str| Outgoing::read(kind, text).expect(text);
    let files = TextOut { text: String::new(), markdown: false, files: vec!["a".into()] };
    assert_eq!(read(OutKind::Chat, r#"{"text":"","files":["a"]}"#), Outgoing::Text(files.clone()));
    assert_eq!(read(OutKind::Chat, r#"{"text":null,"files":["a"],"more":1}"#), Outgoing::Text(files));
    let Outgoing::Question(question) = read(
        OutKind::ChatSdk,
        r#"{"type":"ask_question","questionId":"q","question":"?","options":["Yes",{"label":"No"}]}"#,
    ) else {
        panic!("no question")
    };
    assert_eq!((question.options[0].value.as_str(), question.options[1].selected_label.as_str()), ("Yes", "No"));
    let Outgoing::Request(request) = read(OutKind::System, r#"{"action":"cancel_task","taskId":"t"}"#) else {
        panic!("no request")
    };
    let body = request.body().expect("it was read before");
    let fields = Fields::of(&body, "content").expect("an object");
    assert_eq!((request.request_id, fields.need_text("taskId", 9)), (None, Ok("t")));
}

#[test]
fn a_wrong_field_is_named() {
    let many = format!(r#"{{"text":"x","files":[{}"a"]}}"#, r#""a","#.repeat(20));
    let options =
        format!(r#"{{"type":"ask_question","questionId":"q","question":"?","options":[{}"a"]}}"#, r#""a","#.repeat(25));
    let cases = [
        (OutKind::Chat, r#"{"text":["x"]}"#, "content.text: expected a text of at most 262144 bytes, found a list"),
        (
            OutKind::Chat,
            r#"{"operation":"edit","messageId":7,"text":"x"}"#,
            "content.messageId: expected a text of at most 255 bytes, found a number",
        ),
        (
            OutKind::Chat,
            r#"{"operation":"edit","messageId":"m"}"#,
            "content.text: expected a text of at most 262144 bytes, found nothing",
        ),
        (
            OutKind::Chat,
            r#"{"operation":"delete","messageId":"m"}"#,
            "content.operation: expected edit or reaction, found another word",
        ),
        (OutKind::Chat, r#"{"text":"x","files":"a"}"#, "content.files: expected a list of at most 20, found a text"),
        (
            OutKind::Chat,
            r#"{"text":"x","files":["a","../b"]}"#,
            "content.files[1]: expected a name without directories, found another",
        ),
        (OutKind::Chat, many.as_str(), "content.files: expected a list of at most 20, found one of 21"),
        (OutKind::ChatSdk, r#"{"text":"x"}"#, "content.type: expected a text of at most 64 bytes, found nothing"),
        (OutKind::ChatSdk, r#"{"type":"poll"}"#, "content.type: expected ask_question or card, found another word"),
        (OutKind::ChatSdk, r#"{"type":"card","card":"x"}"#, "content.card: expected an object, found something else"),
        (
            OutKind::ChatSdk,
            r#"{"type":"ask_question","questionId":"q","question":"?"}"#,
            "content.options: expected at least one option, found none",
        ),
        (
            OutKind::ChatSdk,
            r#"{"type":"ask_question","questionId":"q","question":"?","options":[{"label":"a"},{"value":"b"}]}"#,
            "content.options[1].label: expected a text of at most 1024 bytes, found nothing",
        ),
        (OutKind::ChatSdk, options.as_str(), "content.options: expected a list of at most 25, found one of 26"),
        (
            OutKind::System,
            r#"{"action":"rm -rf"}"#,
            "content.action: expected a name of a-z, 0-9 and '_', found another",
        ),
        (
            OutKind::System,
            r#"{"action":"x","requestId":{}}"#,
            "content.requestId: expected a text of at most 255 bytes, found an object",
        ),
        (OutKind::System, "{}", "content.action: expected a text of at most 64 bytes, found nothing"),
    ];
    for (kind, text, said) in cases {
        assert_eq!(Outgoing::read(kind, text).expect_err(text).to_string(), said);
    }
    for text in ["", "nonsense", "{\"text\":\"x\"", "{\"text\":\"\u{0}\"}", "{\"text\":1e999}"] {
        let said = Outgoing::read(OutKind::Chat, text).expect_err(text).to_string();
        assert!(said.starts_with("content: expected JSON, found "), "{said}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        Just("text".to_owned()),
        Just("markdown".to_owned()),
        Just("files".to_owned()),
        Just("operation".to_owned()),
        Just("type".to_owned()),
        Just("options".to_owned()),
        Just("action".to_owned()),
        Just("card".to_owned()),
        Just("messageId".to_owned()),
        ".{0,8}",
    ];
    let word =
        prop_oneof![Just("edit".to_owned()), Just("card".to_owned()), Just("ask_question".to_owned()), ".{0,20}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn kinds() -> impl Strategy<Value = OutKind> {
    prop::sample::select(OutKind::ALL)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_json_is_taken_or_refused_by_a_field_of_content(value in any_json(), kind in kinds()) {
        match Outgoing::read(kind, &value.to_string()) {
            Ok(said) => {
                prop_assert_eq!(said.kind(), kind);
                prop_assert_eq!(Outgoing::read(kind, &said.to_json()), Ok(said));
            }
            Err(error) => prop_assert!(error.field.starts_with("content"), "{}", error),
        }
    }

    #[test]
    fn any_text_is_taken_or_refused(text in ".{0,200}", kind in kinds()) {
        if let Err(error) = Outgoing::read(kind, &text) {
            prop_assert!(error.field.starts_with("content"));
        }
    }

    #[test]
    fn depth_is_told_exactly(depth in 0_usize..64, object in any::<bool>(), quoted in ".{0,20}") {
        let (open, close) = if object { (r#"{"[{":"#, "}") } else { ("[", "]") };
        let text = format!("{}{}{}", open.repeat(depth), json!(quoted), close.repeat(depth));
        prop_assert_eq!(parse(&text, "content").is_ok(), depth <= 32);
    }

    #[test]
    fn any_text_comes_through_whole(text in "(?s).{1,200}") {
        let said = Outgoing::text(text.clone());
        prop_assert_eq!(Outgoing::read(OutKind::Chat, &said.to_json()), Ok(said));
        let heard = Incoming::Chat(ChatIn { text, ..ChatIn::default() });
        prop_assert_eq!(Incoming::read(InKind::Chat, &heard.to_json()), Ok(heard));
    }
}
