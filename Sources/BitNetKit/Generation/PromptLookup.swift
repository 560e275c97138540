/// Drafts tokens by looking the latest ones up in what came before (prompt look-up decoding, A.
/// Saxena 2023): text that repeats itself, as summaries, code and edits do, is likely to go on as it
/// did the last time.
struct PromptLookup {
    private let maximumDraft: Int
    private let ngram: Int
    /// The tokens that may come next, in order.
    private(set) var draft: [Int] = []

    /// `ngram`: how many of the latest tokens must have occurred before, at least 1.
    init(maximumDraft: Int, ngram: Int) {
        self.maximumDraft = maximumDraft
        self.ngram = ngram
        draft.reserveCapacity(maximumDraft)
    }

    /// Sets `draft` to what followed the latest earlier occurrence of the last tokens, at most
    /// `limit` tokens and none from the first of `endTokens` on; to nothing if there is none.
    mutating func propose(after tokens: [Int], atMost limit: Int, endTokens: Set<Int>) {
        draft.removeAll(keepingCapacity: true)
        guard limit > 0, let found = latestOccurrence(in: tokens) else { return }
        while draft.count < min(limit, maximumDraft) {
            // What follows may run into the draft itself: that is how a period repeats.
            let place = found + draft.count
            let token = place < tokens.count ? tokens[place] : draft[place - tokens.count]
            if endTokens.contains(token) { return }
            draft.append(token)
        }
    }

    /// The index behind the latest earlier occurrence of the last `ngram` tokens.
    private func latestOccurrence(in tokens: [Int]) -> Int? {
        guard tokens.count > ngram else { return nil }
        var end = tokens.count - 1
        while end >= ngram {
            if isOccurrence(endingAt: end, of: tokens) { return end }
            end -= 1
        }
        return nil
    }

    private func isOccurrence(endingAt end: Int, of tokens: [Int]) -> Bool {
        for back in 1...ngram where tokens[end - back] != tokens[tokens.count - back] {
            return false
        }
        return true
    }
}
