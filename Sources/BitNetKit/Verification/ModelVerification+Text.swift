// Tokenizer and chat template.
extension ModelVerification {
    /// English that every language model has seen the like of; of this project.
    static let text = """
        Once upon a time there was a little girl named Lily. She liked to play outside in the park. \
        One day she saw a big red ball under a tree. "Look, Mom!" she said. "Can I play with it?" \
        Her mother smiled and said, "Yes, but you have to be careful." Lily ran to the ball and threw \
        it up into the air. A small dog came and wanted to play too. They played together until the \
        sun went down. Then it was time to go home. Lily was happy because she had a new friend. She \
        said good night to the dog, went to bed and had a nice dream.
        """

    /// Text that tokenizers get wrong: spaces, digits, line ends, quotes, other scripts.
    private static let texts = [
        text, "a  b   c\n\nd\te 12345 3.14 (x) don't \"y\"",
        "na\u{EF}ve caf\u{E9} \u{2013} \u{65E5}"
            + "\u{672C}\u{8A9E} \u{1F600}",
    ]

    mutating func checkTokenizer(_ model: BitNetModel) throws(BitNetError) {
        do throws(BitNetError) {
            let tokenizer = try model.tokenizer
            var count = 0
            for (index, text) in Self.texts.enumerated() {
                let ids = try tokenizer.encode(text)
                count += ids.count
                let back = tokenizer.decode(ids)
                // Some put a space in front of every text, and keep it when they decode.
                if back == text || back == " " + text { continue }
                guard index == 0 else {
                    // Vocabularies may lack bytes, and normalisers change what they please.
                    return note(
                        .tokenizer, .undecided,
                        "English comes back from its tokens; \(Self.shown(text)) comes back as "
                            + "\(Self.shown(back)), which a vocabulary without all bytes or a "
                            + "normaliser may do")
                }
                return note(
                    .tokenizer, .failed,
                    "\(Self.shown(text)) comes back as \(Self.shown(back)) from its tokens")
            }
            note(
                .tokenizer, .passed,
                "\(Self.texts.count) texts come back from \(counted(count, "token"))")
        } catch {
            try fail(.tokenizer, error)
        }
    }

    private static func shown(_ text: String) -> String {
        let short = text.prefix(24)
        return "'\(short)\(short.count < text.count ? "..." : "")'"
    }

    mutating func checkTemplate(_ model: BitNetModel) throws(BitNetError) {
        guard let template = model.chatTemplate else {
            return note(.template, .skipped, "the model has no chat template")
        }
        do throws(BitNetError) {
            let words = "What is the capital of France?"
            let first = try template.render([ChatMessage(.user, words)], addsGenerationPrompt: true)
            let more = try template.render(
                [
                    ChatMessage(.user, words), ChatMessage(.assistant, "Paris."),
                    ChatMessage(.user, "Thank you."),
                ], addsGenerationPrompt: true)
            guard first.contains(words), more.contains("Paris."), more.contains("Thank you.") else {
                return note(.template, .failed, "it leaves out what a message says")
            }
            note(
                .template, .passed,
                "it writes a conversation of \(counted(more.utf8.count, "byte"))")
        } catch {
            try fail(.template, error)
        }
    }
}
