/// Some of `total` places, as runs of neighbours, and moving elements between them and the front.
package struct Runs: Sendable {
    /// The runs, in order; none is empty.
    package let ranges: [Range<Int>]
    /// Places in all runs.
    package let count: Int
    /// Places in and between them.
    package let total: Int

    /// The places at which `isIn` is true.
    package init(_ isIn: [Bool]) {
        var ranges: [Range<Int>] = []
        var begin: Int?
        for (place, isThere) in isIn.enumerated() {
            if isThere {
                begin = begin ?? place
            } else if let first = begin {
                ranges.append(first..<place)
                begin = nil
            }
        }
        if let begin { ranges.append(begin..<isIn.count) }
        self.ranges = ranges
        count = ranges.reduce(0) { $0 + $1.count }
        total = isIn.count
    }

    /// Copies the elements in the runs of `source`, of `total`, one after the other to `target`, of
    /// `count`, which may begin at or before `source` in the same memory.
    package func gather<Element>(
        from source: BufferView<Element>, into target: BufferView<Element>
    ) {
        precondition(source.count == total && target.count == count)
        var next = 0
        for range in ranges {
            target[next..<next + range.count].copy(from: source[range])
            next += range.count
        }
    }

    /// Moves the first `count` elements of `x`, of `total`, to the runs; the others become `zero`.
    package func spread<Element>(_ x: BufferView<Element>, zero: Element) {
        precondition(x.count == total)
        // From the end: nothing is overwritten that has yet to move.
        var (next, end) = (count, total)
        for range in ranges.reversed() {
            x[range.upperBound..<end].fill(zero)
            next -= range.count
            x[range].copy(from: x[next..<next + range.count])
            end = range.lowerBound
        }
        x[0..<end].fill(zero)
    }

    /// Where `place` is among those in the runs; nil if it is not.
    package func index(of place: Int) -> Int? {
        var before = 0
        for range in ranges where range.lowerBound <= place {
            if range.contains(place) { return before + place - range.lowerBound }
            before += range.count
        }
        return nil
    }
}
