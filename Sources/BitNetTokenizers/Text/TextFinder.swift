/// Finds, for every place of a text, the longest of some texts that begins there, in time linear in
/// the text whatever the texts are.
///
/// The texts are a tree of their bytes from the last to the first. It is walked from the end of the
/// text that is looked at to its start, as Aho and Corasick do: a place's node is the longest beginning
/// of a reversed text that the bytes from there on are, and knows the longest whole text in it.
struct TextFinder: Sendable {
    /// A text that begins at `start`.
    struct Match {
        let start: Int
        /// Its place in the list that the finder was made from.
        let number: Int
    }

    private struct Node {
        let byte: UInt8
        var child: Int32 = -1
        var sibling: Int32 = -1
        /// The node of the longest end of this one's bytes that is in the tree too.
        var shorter: Int32 = 0
        /// The longest text in the bytes of this node, -1 for none: of all, and of those that are
        /// always looked for.
        var longest: Int32 = -1
        var longestPlain: Int32 = -1
    }

    private var nodes = [Node(byte: 0)]
    /// The nodes of one byte, -1 where no text ends with it.
    private var first = [Int32](repeating: -1, count: 256)
    private(set) var lengths: [Int] = []
    /// Whether there are texts at all, and some that are always looked for.
    private(set) var hasAny = false
    private(set) var hasPlain = false

    /// A finder of `texts`, none of them empty; of two that are the same the first is found. Those
    /// that are not plain are found only where that is asked for.
    init(_ texts: [(bytes: ArraySlice<UInt8>, isPlain: Bool)]) {
        for (number, text) in texts.enumerated() {
            lengths.append(text.bytes.count)
            var node: Int32 = 0
            for byte in text.bytes.reversed() { node = insert(byte, below: node) }
            guard node != 0, nodes[Int(node)].longest < 0 else { continue }
            nodes[Int(node)].longest = Int32(truncatingIfNeeded: number)
            hasAny = true
            guard text.isPlain else { continue }
            nodes[Int(node)].longestPlain = Int32(truncatingIfNeeded: number)
            hasPlain = true
        }
        link()
    }

    private mutating func insert(_ byte: UInt8, below node: Int32) -> Int32 {
        let known = child(of: node, byte)
        guard known < 0 else { return known }
        let new = Int32(truncatingIfNeeded: nodes.count)
        nodes.append(Node(byte: byte, sibling: nodes[Int(node)].child))
        nodes[Int(node)].child = new
        if node == 0 { first[Int(byte)] = new }
        return new
    }

    private func child(of node: Int32, _ byte: UInt8) -> Int32 {
        if node == 0 { return first[Int(byte)] }
        var child = nodes[Int(node)].child
        while child >= 0, nodes[Int(child)].byte != byte { child = nodes[Int(child)].sibling }
        return child
    }

    /// The node after one more byte.
    private func next(_ node: Int32, _ byte: UInt8) -> Int32 {
        var node = node
        while true {
            let child = child(of: node, byte)
            if child >= 0 { return child }
            if node == 0 { return 0 }
            node = nodes[Int(node)].shorter
        }
    }

    /// Fills in what each node has of shorter ones, which come first.
    private mutating func link() {
        var queue: [Int32] = [0]
        var place = 0
        while place < queue.count {
            let node = queue[place]
            place += 1
            var child = nodes[Int(node)].child
            while child >= 0 {
                queue.append(child)
                let index = Int(child)
                if node != 0 {
                    nodes[index].shorter = next(nodes[Int(node)].shorter, nodes[index].byte)
                }
                let shorter = nodes[Int(nodes[index].shorter)]
                if nodes[index].longest < 0 { nodes[index].longest = shorter.longest }
                if nodes[index].longestPlain < 0 {
                    nodes[index].longestPlain = shorter.longestPlain
                }
                child = nodes[index].sibling
            }
        }
    }

    /// Every place in `bytes[range]` where a text begins, the last place first, with the longest that
    /// lies inside the range; only plain texts unless `all`.
    func matches(
        in bytes: [UInt8], _ range: Range<Int>, all: Bool, effort: Effort
    ) throws(BitNetError) -> [Match] {
        var found: [Match] = []
        guard all ? hasAny : hasPlain else { return found }
        var node: Int32 = 0
        var index = range.upperBound
        while index > range.lowerBound {
            index -= 1
            if index & (Effort.portion - 1) == 0 { try effort.spend(Effort.portion) }
            if node == 0 {
                node = first[Int(bytes[index])]
                if node < 0 {
                    node = 0
                    continue
                }
            } else {
                node = next(node, bytes[index])
            }
            let number = all ? nodes[Int(node)].longest : nodes[Int(node)].longestPlain
            if number >= 0 { found.append(Match(start: index, number: Int(number))) }
        }
        return found
    }
}
