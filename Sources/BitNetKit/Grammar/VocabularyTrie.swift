/// The bytes of a vocabulary's tokens as a tree, in the order of a walk through it.
struct VocabularyTrie: Sendable {
    /// For each node its byte.
    let bytes: [UInt8]
    /// For each node how many bytes lead to it, its own included.
    let depths: [Int32]
    /// For each node the first node that is not below it.
    let ends: [Int32]
    /// For each node where its tokens begin in `tokens`; one more entry ends the last.
    let tokenStarts: [Int32]
    /// The tokens that end at a node, by node.
    let tokens: [Int32]
    /// Number of tokens of the vocabulary.
    let count: Int
    /// The longest token, in bytes.
    let maximumDepth: Int
    /// Tokens that end a text.
    let endTokens: Set<Int>
    private let tokenizer: Tokenizer

    /// The tree of the tokens that are text: special ones, which have no text, are left out.
    init(_ tokenizer: Tokenizer) {
        self.tokenizer = tokenizer
        count = tokenizer.vocabularySize
        endTokens = tokenizer.endTokens
        let texts = (0..<count).map { Self.text(of: $0, tokenizer) ?? [] }
        var order = texts.indices.filter { !texts[$0].isEmpty }
        order.sort { texts[$0].lexicographicallyPrecedes(texts[$1]) }

        var (bytes, depths, ends): ([UInt8], [Int32], [Int32]) = ([], [], [])
        var (starts, tokens): ([Int32], [Int32]) = ([], [])
        var path: [Int] = []
        var previous: [UInt8] = []
        for token in order {
            let text = texts[token]
            let shared = zip(text, previous).prefix { $0 == $1 }.count
            while path.count > shared { ends[path.removeLast()] = Int32(bytes.count) }
            for index in shared..<text.count {
                path.append(bytes.count)
                bytes.append(text[index])
                depths.append(Int32(index + 1))
                ends.append(0)
                starts.append(Int32(tokens.count))
            }
            tokens.append(Int32(token))
            previous = text
        }
        for node in path { ends[node] = Int32(bytes.count) }
        starts.append(Int32(tokens.count))
        maximumDepth = Int(depths.max() ?? 0)
        self.bytes = bytes
        self.depths = depths
        self.ends = ends
        tokenStarts = starts
        self.tokens = tokens
    }

    /// The bytes a token adds to a text; nil where it is special, ends the text or means nothing.
    func text(of token: Int) -> [UInt8]? { Self.text(of: token, tokenizer) }

    private static func text(of token: Int, _ tokenizer: Tokenizer) -> [UInt8]? {
        guard !tokenizer.isSpecial(token), !tokenizer.endTokens.contains(token),
            let bytes = tokenizer.bytes(of: token), !bytes.isEmpty
        else { return nil }
        return bytes
    }
}
