import BitNetBench
import Testing

@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers

@Suite("Spread")
struct SpreadTests {
    @Test(
        "the median is the middle value, or the mean of the middle two",
        arguments: [
            ([3.0], 3.0), ([5, 1], 3), ([9, 1, 2], 2), ([8, 1, 4, 2], 3), ([7, 7, 1, 9, 0], 7),
        ] as [([Double], Double)])
    func median(_ values: [Double], _ median: Double) {
        let spread = Spread(values)
        #expect(spread.median == median)
        #expect(spread.min == values.min() && spread.max == values.max())
    }

    @Test("of nothing there is nothing to tell")
    func empty() {
        let spread = Spread([])
        #expect(spread.median.isNaN && spread.min.isNaN && spread.max.isNaN)
    }
}
