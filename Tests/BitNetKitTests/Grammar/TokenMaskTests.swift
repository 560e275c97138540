import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Token masks")
struct TokenMaskTests {
    @Test("hold what was put in, whatever the size", arguments: [1, 63, 64, 65, 320, 1000])
    func contents(_ count: Int) {
        var generator = SplitMix64(seed: UInt64(count))
        var mask = TokenMask(count: count)
        #expect(mask.isEmpty)
        var expected: Set<Int> = []
        for _ in 0..<count {
            let token = Int.random(in: -3..<count + 70, using: &generator)
            mask.insert(token)
            if (0..<count).contains(token) { expected.insert(token) }
        }
        for token in -70..<count + 200 { #expect(mask.contains(token) == expected.contains(token)) }
        var listed: [Int] = []
        mask.forEach { listed.append($0) }
        #expect(listed == expected.sorted())
        mask.removeAll()
        #expect(mask.isEmpty && !mask.contains(0))
    }
}
