internal import Synchronization

/// A grammar over a vocabulary: what states and masks are worked out is shared by all generations
/// that use it.
final class GrammarMatcher: Sendable {
    let trie: VocabularyTrie
    let start: Result<GrammarStacks, BitNetError>
    private let shared: Mutex<Shared>

    private struct Shared: Sendable {
        var automaton: GrammarAutomaton
        var masks: [Int: TokenMask] = [:]

        mutating func trim() {
            if automaton.trim() { masks.removeAll() }
        }
    }

    /// The most masks that are kept; one of a large vocabulary takes 16 KB.
    private static let maximumMasks = 256

    init(_ grammar: Grammar, _ trie: VocabularyTrie) {
        self.trie = trie
        let automaton = GrammarAutomaton(grammar.program)
        do throws(BitNetError) { start = .success(try automaton.start()) } catch {
            start = .failure(error)
        }
        shared = Mutex(Shared(automaton: automaton))
    }

    /// Replaces what is in `mask` by the tokens that may follow.
    func allow(_ stacks: GrammarStacks, _ mask: inout TokenMask) throws(BitNetError) {
        try shared.withLock { (shared) throws(BitNetError) in
            shared.trim()
            let state = shared.automaton.state(of: stacks)
            if let known = shared.masks[state], known.count == mask.count {
                mask = known
                return
            }
            mask.removeAll()
            guard state >= 0 else { return }
            try walk(from: state, &shared.automaton, &mask)
            if shared.automaton.isAccepting(state) {
                for token in trie.endTokens { mask.insert(token) }
            }
            if shared.masks.count >= Self.maximumMasks { shared.masks.removeAll() }
            shared.masks[state] = mask
        }
    }

    /// Goes through the vocabulary's tree, past what the grammar excludes.
    private func walk(
        from state: Int, _ automaton: inout GrammarAutomaton, _ mask: inout TokenMask
    ) throws(BitNetError) {
        automaton.beginToken()
        var states = [Int](repeating: state, count: trie.maximumDepth + 1)
        var node = 0
        while node < trie.bytes.count {
            let depth = Int(trie.depths[node])
            let next = try automaton.next(states[depth - 1], trie.bytes[node])
            guard next != GrammarAutomaton.dead else {
                node = Int(trie.ends[node])
                continue
            }
            states[depth] = next
            for index in Int(trie.tokenStarts[node])..<Int(trie.tokenStarts[node + 1]) {
                mask.insert(Int(trie.tokens[index]))
            }
            node += 1
        }
    }

    /// The stacks after `token`; none if it does not fit.
    func accept(_ token: Int, _ stacks: GrammarStacks) throws(BitNetError) -> GrammarStacks {
        guard let bytes = trie.text(of: token) else { return [] }
        return try shared.withLock { (shared) throws(BitNetError) in
            shared.trim()
            shared.automaton.beginToken()
            var state = shared.automaton.state(of: stacks)
            for byte in bytes { state = try shared.automaton.next(state, byte) }
            return shared.automaton.stacks(of: state)
        }
    }

    func isAccepting(_ stacks: GrammarStacks) -> Bool { stacks.first?.isEmpty == true }
}

/// How far a response has come in its grammar.
struct GrammarState: TokenConstraint {
    private let matcher: GrammarMatcher
    /// Where the response is, or why that cannot be found out.
    private var stacks: Result<GrammarStacks, BitNetError>

    /// The beginning of a response.
    init(_ matcher: GrammarMatcher) {
        self.matcher = matcher
        stacks = matcher.start
    }

    /// The beginning of a response in `grammar` over a vocabulary.
    init(_ grammar: Grammar, _ trie: VocabularyTrie) { self.init(GrammarMatcher(grammar, trie)) }

    /// Whether the response is complete as it is.
    var isAccepting: Bool { (try? stacks.get()).map(matcher.isAccepting) ?? false }

    mutating func allow(_ mask: inout TokenMask) throws(BitNetError) {
        try matcher.allow(try stacks.get(), &mask)
    }

    /// Takes a token; after one that does not fit, nothing is allowed any more. An end token after a
    /// complete response changes nothing.
    mutating func accept(_ token: Int) {
        if isAccepting, matcher.trie.endTokens.contains(token) { return }
        do throws(BitNetError) {
            stacks = .success(try matcher.accept(token, try stacks.get()))
        } catch {
            stacks = .failure(error)
        }
    }
}
