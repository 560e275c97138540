public import Foundation

/// What `BytePairTrainer` has made: a tokenizer, and the files that Hugging Face's tokenizers and
/// transformers load it from.
public struct TrainedTokenizer: Sendable {
    /// The tokenizer.
    public let tokenizer: Tokenizer
    /// The contents of `tokenizer.json`.
    public let json: Data
    /// The contents of `tokenizer_config.json`: begin and end of text.
    public let config: Data
    /// The merges, best first, each of two tokens spelled in GPT-2's byte alphabet.
    public let merges: [[String]]

    init(
        spellings: [[UInt8]], merges: [UInt64], trainer: BytePairTrainer
    ) throws(BitNetError) {
        let tokens = spellings.map { String(decoding: $0, as: UTF8.self) }
        self.merges = merges.map { [tokens[Int($0 >> 32)], tokens[Int($0 & 0xFFFF_FFFF)]] }
        json = Data(Self.json(tokens, self.merges, trainer).utf8)
        config = Data(Self.config(trainer).utf8)
        tokenizer = try Tokenizer(json: json, config: config)
    }

    /// Writes `tokenizer.json` and `tokenizer_config.json` into a folder, which is made if it is
    /// not there. Each file is replaced whole or not at all.
    ///
    /// - Throws: `BitNetError.unwritable`.
    public func write(to folder: URL) throws(BitNetError) {
        try OutputFolder.make(folder.path)
        for (name, data) in [("tokenizer.json", json), ("tokenizer_config.json", config)] {
            let file = try AtomicFile(replacing: folder.appendingPathComponent(name).path)
            try file.write(ByteRegion([UInt8](data)))
            try file.commit()
        }
    }
}

// MARK: - Files

extension TrainedTokenizer {
    /// `tokenizer.json`, as tokenizers writes it.
    private static func json(
        _ tokens: [String], _ merges: [[String]], _ trainer: BytePairTrainer
    ) -> String {
        let added = trainer.specialTokens.enumerated().map { id, text in
            #"{"id": \#(id), "content": \#(quote(text)), "single_word": false, "lstrip": false, "#
                + #""rstrip": false, "normalized": false, "special": true}"#
        }
        let vocabulary = tokens.enumerated().map { id, text in "\(quote(text)): \(id)" }
        let pairs = merges.map { "[\(quote($0[0])), \(quote($0[1]))]" }
        let split = quote(PreTokenizer.llama3.expression)
        return """
            {
              "version": "1.0",
              "truncation": null,
              "padding": null,
              "added_tokens": \(list(added, indent: 4, "[", "]")),
              "normalizer": null,
              "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": \(split)},
                 "behavior": "Isolated", "invert": false},
                {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
                 "use_regex": false}
              ]},
              "post_processor": \(postProcessor(trainer)),
              "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true,
                "use_regex": true},
              "model": {
                "type": "BPE",
                "dropout": null,
                "unk_token": null,
                "continuing_subword_prefix": null,
                "end_of_word_suffix": null,
                "fuse_unk": false,
                "byte_fallback": false,
                "ignore_merges": false,
                "vocab": \(list(vocabulary, indent: 6, "{", "}")),
                "merges": \(list(pairs, indent: 6, "[", "]"))
              }
            }

            """
    }

    /// Begin of text before every text, if there is one.
    private static func postProcessor(_ trainer: BytePairTrainer) -> String {
        guard let begin = trainer.beginOfText,
            let id = trainer.specialTokens.firstIndex(where: {
                ExactString($0) == ExactString(begin)
            })
        else {
            return
                #"{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "#
                + #""use_regex": true}"#
        }
        let name = quote(begin)
        let token = #"{"SpecialToken": {"id": \#(name), "type_id": 0}}"#
        let text = #"{"Sequence": {"id": "A", "type_id": 0}}"#
        let second = #"{"Sequence": {"id": "B", "type_id": 1}}"#
        return #"{"type": "TemplateProcessing", "single": [\#(token), \#(text)], "#
            + #""pair": [\#(token), \#(text), \#(second)], "special_tokens": {\#(name): "#
            + #"{"id": \#(name), "ids": [\#(id)], "tokens": [\#(name)]}}}"#
    }

    /// `tokenizer_config.json`.
    private static func config(_ trainer: BytePairTrainer) -> String {
        let begin = trainer.beginOfText.map(quote) ?? "null"
        return """
            {
              "tokenizer_class": "PreTrainedTokenizerFast",
              "bos_token": \(begin),
              "eos_token": \(quote(trainer.endOfText)),
              "add_bos_token": \(trainer.beginOfText != nil),
              "clean_up_tokenization_spaces": false
            }

            """
    }

    private static func quote(_ text: String) -> String { text.jsonLiteral(isASCII: false) }

    /// One item a line.
    private static func list(
        _ items: [String], indent: Int, _ open: String, _ close: String
    ) -> String {
        guard !items.isEmpty else { return open + close }
        let margin = String(repeating: " ", count: indent)
        let end = String(repeating: " ", count: indent - 2)
        return open + "\n" + items.map { margin + $0 }.joined(separator: ",\n") + "\n\(end)\(close)"
    }
}
