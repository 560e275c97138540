/// Pairs of neighbouring tokens that wait to be merged, the most frequent one first, and of equally
/// frequent ones that of the smaller ids: a binary heap.
struct PairQueue {
    struct Candidate: Equatable {
        /// How often the pair occurred when it was put in.
        var count: Int
        /// `left << 32 | right`.
        let pair: UInt64

        fileprivate func isBefore(_ other: Candidate) -> Bool {
            count != other.count ? count > other.count : pair < other.pair
        }
    }

    private var items: [Candidate] = []

    mutating func push(_ item: Candidate) {
        items.append(item)
        var index = items.count - 1
        while index > 0, item.isBefore(items[(index - 1) / 2]) {
            items[index] = items[(index - 1) / 2]
            index = (index - 1) / 2
        }
        items[index] = item
    }

    mutating func pop() -> Candidate? {
        guard let first = items.first else { return nil }
        let item = items.removeLast()
        guard !items.isEmpty else { return first }
        var index = 0
        while true {
            var child = 2 * index + 1
            guard child < items.count else { break }
            if child + 1 < items.count, items[child + 1].isBefore(items[child]) { child += 1 }
            guard items[child].isBefore(item) else { break }
            items[index] = items[child]
            index = child
        }
        items[index] = item
        return first
    }
}
