internal import Synchronization

/// What responses in grammars over one vocabulary share: the vocabulary's tree, made when it is
/// first needed, and the grammars used last.
final class GrammarCache: Sendable {
    private static let maximumCount = 4

    private let tokenizer: Tokenizer
    private let made = Mutex(Made())

    private struct Made: Sendable {
        var trie: VocabularyTrie?
        var matchers: [(grammar: Grammar, matcher: GrammarMatcher)] = []
    }

    init(_ tokenizer: Tokenizer) { self.tokenizer = tokenizer }

    /// The beginning of a response in `grammar`.
    func state(for grammar: Grammar) -> GrammarState {
        made.withLock { made in
            if let known = made.matchers.first(where: { $0.grammar == grammar }) {
                return GrammarState(known.matcher)
            }
            let trie = made.trie ?? VocabularyTrie(tokenizer)
            made.trie = trie
            let matcher = GrammarMatcher(grammar, trie)
            if made.matchers.count == Self.maximumCount { made.matchers.removeFirst() }
            made.matchers.append((grammar, matcher))
            return GrammarState(matcher)
        }
    }
}
