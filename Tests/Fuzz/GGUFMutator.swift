// Changes to a GGUF file that keep it one: a reader that only sees broken headers is never asked
// about what stands in them.

extension RawGGUF {
    /// Types that tensors may have, with the elements and the bytes of a block; then some that do
    /// not exist.
    private static let types: [(id: UInt32, elements: Int, bytes: Int)] = [
        (0, 1, 4), (1, 1, 2), (2, 32, 18), (3, 32, 20), (6, 32, 22), (7, 32, 24), (8, 32, 34),
        (12, 256, 144), (13, 256, 176), (14, 256, 210), (20, 32, 18), (30, 1, 2), (34, 256, 54),
        (35, 256, 66), (36, 4, 1), (42, 64, 18), (42, 128, 34), (134, 0, 0), (135, 0, 0),
        (335, 0, 0), (4, 1, 1), (99, 1, 1),
    ]
    private static let numbers: [UInt64] = [
        0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 257, 1023,
        1024, 65_535, 1 << 20, 1 << 24, 1 << 31, 1 << 32, 1 << 62, 1 << 63, .max,
    ]

    mutating func mutate(_ mutation: inout Mutation) {
        let choice = mutation.random.below(10)
        switch choice {
        case 0...3 where !entries.isEmpty: changeEntry(&mutation)
        case 4...7 where !tensors.isEmpty: changeTensor(&mutation)
        case 8:
            let number = Self.numbers[mutation.random.below(Self.numbers.count)]
            if mutation.random.below(2) == 0 { tensorCount = number } else { entryCount = number }
        default: version = [1, 2, 3, 4][mutation.random.below(4)]
        }
    }

    private mutating func changeEntry(_ mutation: inout Mutation) {
        let index = mutation.random.below(entries.count)
        let number = Self.numbers[mutation.random.below(Self.numbers.count)]
        switch mutation.random.below(8) {
        case 0: entries.remove(at: index)
        case 1: entries.append(entries[index])
        case 2: entries.swapAt(index, mutation.random.below(entries.count))
        case 3: entries[index].key = mutation.plain(entries[index].key, maximumSize: 80)
        case 4:
            entries[index].value = mutation.plain(entries[index].value)
        case 5:
            // Another type, with a value of its size.
            let (type, size) = [(0, 1), (4, 4), (5, 4), (6, 4), (7, 1), (10, 8), (12, 8)][
                mutation.random.below(7)]
            var raw = RawBytes()
            raw.number(number)
            entries[index].type = UInt32(type)
            entries[index].value = Array(raw.bytes.prefix(size))
        case 6:
            let text = entries[mutation.random.below(entries.count)].key.suffix(12)
            var raw = RawBytes()
            raw.string(Array(text))
            entries[index].type = 8
            entries[index].value = raw.bytes
        default:
            for position in entries[index].value.indices where position < 8 {
                let shift = UInt64(8 * position)
                entries[index].value[position] = UInt8(truncatingIfNeeded: number >> shift)
            }
        }
    }

    private mutating func changeTensor(_ mutation: inout Mutation) {
        let index = mutation.random.below(tensors.count)
        let number = Self.numbers[mutation.random.below(Self.numbers.count)]
        switch mutation.random.below(9) {
        case 0: tensors.remove(at: index)
        case 1: tensors.append(tensors[index])
        case 2: tensors[index].name = mutation.plain(tensors[index].name, maximumSize: 80)
        case 3: tensors[index].name = tensors[mutation.random.below(tensors.count)].name
        case 4 where !tensors[index].dimensions.isEmpty:
            let place = mutation.random.below(tensors[index].dimensions.count)
            tensors[index].dimensions[place] = number
            if mutation.random.below(2) == 0 { fitData(of: index, &mutation.random) }
        case 5:
            let type = Self.types[mutation.random.below(Self.types.count)]
            tensors[index].type = type.id
            fitData(of: index, &mutation.random)
        case 6: tensors[index].offset = number
        case 7: tensors[index].dimensions.append(number % 4)
        default: tensors[index].data = mutation.plain(tensors[index].data)
        }
    }

    /// Gives a tensor as many bytes as its type and shape take, small ones again and again.
    private mutating func fitData(of index: Int, _ random: inout FuzzRandom) {
        let tensor = tensors[index]
        let count = tensor.dimensions.reduce(UInt64(1)) { $0.multipliedReportingOverflow(by: $1).0 }
        guard count <= 1 << 15, let columns = tensor.dimensions.first, columns <= 1 << 15 else {
            return
        }
        let rows = Int(count) / max(Int(columns), 1)
        let size: Int
        switch tensor.type {
        case 36: size = Int(count) / 4 + 32
        case 134: size = rows * (2 + Int(columns) / 64 * 13)
        case 135, 335: size = rows * (4 + Int(columns) / 4)
        default:
            guard let type = Self.types.first(where: { $0.id == tensor.type }) else { return }
            size = Int(count) / type.elements * type.bytes
        }
        let old = tensor.data
        tensors[index].data = (0..<size).map { old.isEmpty ? 0 : old[$0 % old.count] }
        // Scales that are no numbers would be all that is ever found.
        if random.below(4) == 0, size > 0 {
            tensors[index].data[random.below(size)] = UInt8(random.below(256))
        }
    }
}

extension FuzzTarget {
    @Sendable
    static func mutateGGUF(_ bytes: [UInt8], _ mutation: inout Mutation) -> [UInt8] {
        guard mutation.random.below(8) != 0, var file = RawGGUF(bytes) else {
            return mutation.plain(bytes)
        }
        for _ in 0...mutation.random.below(3) { file.mutate(&mutation) }
        return file.bytes
    }
}
