import Testing

@testable import BitNetKit
@testable import BitNetTokenizers

@Suite("Prompt look-up")
struct PromptLookupTests {
    private static func draft(
        _ tokens: [Int], maximum: Int = 4, ngram: Int = 2, limit: Int = .max,
        endTokens: Set<Int> = []
    ) -> [Int] {
        var lookup = PromptLookup(maximumDraft: maximum, ngram: ngram)
        lookup.propose(after: tokens, atMost: limit, endTokens: endTokens)
        return lookup.draft
    }

    @Test("the draft is what followed the same tokens before")
    func simple() {
        #expect(Self.draft([1, 2, 3, 4, 5, 6, 1, 2]) == [3, 4, 5, 6])
        #expect(Self.draft([1, 2, 3, 4, 5, 6, 1, 2], maximum: 3) == [3, 4, 5])
        #expect(Self.draft([1, 2, 3, 4, 5, 6, 1, 2], limit: 2) == [3, 4])
        #expect(Self.draft([7, 1, 2, 3, 4, 1, 2, 3], ngram: 3) == [4, 1, 2, 3])
    }

    @Test("of several occurrences the latest counts")
    func latest() {
        #expect(Self.draft([1, 2, 3, 9, 1, 2, 4, 9, 1, 2], maximum: 1) == [4])
    }

    @Test("without an earlier occurrence there is no draft")
    func none() {
        #expect(Self.draft([1, 2, 3, 4]) == [])
        #expect(Self.draft([]) == [])
        #expect(Self.draft([1]) == [])
        #expect(Self.draft([1, 2]) == [])
        #expect(Self.draft([1, 1], ngram: 2) == [])
        #expect(Self.draft([1, 2, 1, 2], ngram: .max) == [])
        #expect(Self.draft([1, 2, 3, 1, 3]) == [])
        #expect(Self.draft([1, 2, 3, 1, 2], limit: 0) == [])
        #expect(Self.draft([1, 2, 3, 1, 2], limit: -1) == [])
    }

    @Test("a period is continued beyond what is there")
    func period() {
        #expect(Self.draft([5, 5, 5]) == [5, 5, 5, 5])
        #expect(Self.draft([1, 2, 1, 2], maximum: 5) == [1, 2, 1, 2, 1])
        #expect(Self.draft([3, 3], maximum: 3, ngram: 1) == [3, 3, 3])
        #expect(Self.draft([1, 2, 3, 1, 2], maximum: 7) == [3, 1, 2, 3, 1, 2, 3])
    }

    @Test("a draft ends before an end token")
    func endTokens() {
        #expect(Self.draft([1, 2, 3, 0, 4, 1, 2], endTokens: [0, 9]) == [3])
        #expect(Self.draft([1, 2, 0, 3, 4, 1, 2], endTokens: [0]) == [])
    }
}
