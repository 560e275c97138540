/// The word cuts that GGUF files name in `tokenizer.ggml.pre`, with llama.cpp's names.
struct NamedWordCut: Sendable {
    /// All names; the first is the one that is written.
    let names: [String]
    let cut: WordCut
    /// Whether a word that is a token is taken whole.
    var ignoresMerges = false
    /// Whether a text begins with begin-of-text where the file does not say.
    var addsBeginOfText = false
    /// GGUF has no key for normalisation; these are vocabularies whose `tokenizer.json` has NFC.
    var isNFC = false

    /// What is done to a text before it is cut.
    var normalizer: Normalizer { Normalizer(steps: isNFC ? [.form(.nfc)] : []) }

    /// All that are known.
    static let all: [NamedWordCut] = [
        NamedWordCut(
            names: ["llama-bpe", "llama3", "llama-v3"], cut: WordCut(.llama3),
            ignoresMerges: true, addsBeginOfText: true),
        NamedWordCut(names: ["falcon3"], cut: WordCut(.llama3), ignoresMerges: true),
        NamedWordCut(names: ["smaug-bpe", "dbrx"], cut: WordCut(.llama3), addsBeginOfText: true),
        NamedWordCut(names: ["qwen2", "deepseek-r1-qwen"], cut: WordCut(.qwen2), isNFC: true),
        NamedWordCut(names: ["stablelm2"], cut: WordCut(.qwen2)),
        NamedWordCut(names: ["gpt-2", "gpt2", "phi-2", "mpt", "jais"], cut: WordCut(.gpt2)),
        NamedWordCut(names: ["olmo", "gpt-neox"], cut: WordCut(.gpt2), isNFC: true),
        NamedWordCut(
            names: ["starcoder", "refact", "command-r", "smollm", "codeshell"],
            cut: expressions([#"\p{N}"#, PreTokenizer.gpt2.expression])),
        NamedWordCut(
            names: ["falcon"],
            cut: expressions([
                #"[\p{P}\$\+<=>\^~\|`]+"#, PreTokenizer.gpt2.expression, "[0-9][0-9][0-9]",
            ])),
        NamedWordCut(
            names: ["deepseek-coder"],
            cut: expressions([
                #"[\r\n]"#, #"\s?\p{L}+"#, #"\s?\p{P}+"#,
                #"[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"#, #"\p{N}"#,
            ])),
        NamedWordCut(
            names: ["deepseek-v3"],
            cut: expressions([
                #"\p{N}{1,3}"#, #"[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"#, deepSeekWords,
            ])),
        NamedWordCut(
            names: ["tekken"], cut: expressions([cased(ending: "", digits: #"\p{N}"#)]),
            ignoresMerges: true, addsBeginOfText: true),
        NamedWordCut(
            names: ["gpt-4o", "llama4"],
            cut: expressions([
                cased(ending: "(?i:'s|'t|'re|'ve|'m|'ll|'d)?", digits: #"\p{N}{1,3}"#)
            ])),
    ]

    /// The cut that a file names.
    ///
    /// - Throws: `BitNetError.tokenizer` showing a name that is not known.
    static func named(_ name: String) throws(BitNetError) -> NamedWordCut {
        guard let known = all.first(where: { $0.names.contains(name) }) else {
            throw .tokenizer(
                detail: "tokenizer.ggml.pre \(name.quoted) is not supported; known: \(allNames)")
        }
        return known
    }

    /// Every name that is written, for messages.
    static var allNames: String { all.map { $0.names[0] }.joined(separator: ", ") }

    private static let deepSeekWords =
        ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|"##
        + #"[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|"#
        + #"\s*[\r\n]+|\s+(?!\S)|\s+"#

    /// Words that end before a capital: tekken's and GPT-4o's.
    private static func cased(ending: String, digits: String) -> String {
        let upper = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#
        let lower = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#
        let before = #"[^\r\n\p{L}\p{N}]?"#
        return before + upper + "*" + lower + "+" + ending + "|" + before + upper + "+" + lower
            + "*" + ending + "|" + digits + #"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|"#
            + #"\s+(?!\S)|\s+"#
    }

    /// A split at every match of one expression after the other.
    private static func expressions(_ sources: [String]) -> WordCut {
        // All of them are read in the tests.
        WordCut(steps: sources.compactMap { try? WordCut.Step(expression: $0) })
    }
}

extension WordCut.Step {
    /// A split at every match of an expression, scanned where there is a scanner for it.
    ///
    /// - Throws: `BitNetError.tokenizer` showing what is not understood.
    init(expression: String) throws(BitNetError) {
        if let known = PreTokenizer.allCases.first(where: { $0.expression == expression }) {
            self = .scanner(known)
        } else {
            self = .split(.expression(try Expression(expression)), .isolated, inverted: false)
        }
    }
}
