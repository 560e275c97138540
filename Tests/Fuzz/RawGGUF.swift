// A GGUF file as its bytes have it, read and written without the library, so that any part of it
// can be wrong.

struct RawGGUF {
    struct Entry {
        var key: [UInt8]
        var type: UInt32
        var value: [UInt8]
    }

    struct Tensor {
        var name: [UInt8]
        /// Fastest first, as in the file.
        var dimensions: [UInt64]
        var type: UInt32
        /// What the file says; nil for where the data is.
        var offset: UInt64?
        var data: [UInt8]
    }

    var version: UInt32 = 3
    var tensorCount: UInt64?
    var entryCount: UInt64?
    var entries: [Entry] = []
    var tensors: [Tensor] = []
    var alignment = 32

    init() {}

    var bytes: [UInt8] {
        var header = RawBytes(bytes: Array("GGUF".utf8))
        header.number(version)
        header.number(tensorCount ?? UInt64(tensors.count))
        header.number(entryCount ?? UInt64(entries.count))
        for entry in entries {
            header.string(entry.key)
            header.number(entry.type)
            header.bytes += entry.value
        }
        var data: [UInt8] = []
        for tensor in tensors {
            header.string(tensor.name)
            header.number(UInt32(tensor.dimensions.count))
            for dimension in tensor.dimensions { header.number(dimension) }
            header.number(tensor.type)
            header.number(tensor.offset ?? UInt64(data.count))
            data += tensor.data
            while data.count % alignment != 0 { data.append(0) }
        }
        while header.bytes.count % alignment != 0 { header.bytes.append(0) }
        return header.bytes + data
    }
}

/// Little-endian bytes.
struct RawBytes {
    var bytes: [UInt8] = []

    mutating func number<Value: FixedWidthInteger>(_ value: Value) {
        for index in 0..<Value.bitWidth / 8 {
            bytes.append(UInt8(truncatingIfNeeded: value >> Value(8 * index)))
        }
    }

    mutating func string(_ text: [UInt8]) {
        number(UInt64(text.count))
        bytes += text
    }
}

// MARK: - Reading

extension RawGGUF {
    /// Nil where the bytes cannot be taken apart.
    init?(_ bytes: [UInt8]) {
        var reader = RawReader(bytes: bytes)
        guard reader.take(4) == Array("GGUF".utf8), let version = reader.number(UInt32.self),
            let tensorCount = reader.number(UInt64.self),
            let entryCount = reader.number(UInt64.self), tensorCount < 1000, entryCount < 1000
        else { return nil }
        self.version = version
        for _ in 0..<entryCount {
            guard let key = reader.string(), let type = reader.number(UInt32.self) else {
                return nil
            }
            let start = reader.position
            guard reader.skipValue(type, depth: 0) else { return nil }
            entries.append(
                Entry(key: key, type: type, value: Array(bytes[start..<reader.position])))
        }
        var offsets: [Int] = []
        for _ in 0..<tensorCount {
            guard let name = reader.string(), let count = reader.number(UInt32.self), count < 8
            else { return nil }
            var dimensions: [UInt64] = []
            for _ in 0..<count {
                guard let size = reader.number(UInt64.self) else { return nil }
                dimensions.append(size)
            }
            guard let type = reader.number(UInt32.self),
                let offset = reader.number(UInt64.self).flatMap({ Int(exactly: $0) })
            else { return nil }
            offsets.append(offset)
            tensors.append(
                Tensor(name: name, dimensions: dimensions, type: type, offset: nil, data: []))
        }
        takeData(bytes, from: (reader.position + 31) / 32 * 32, offsets)
    }

    private mutating func takeData(_ bytes: [UInt8], from start: Int, _ offsets: [Int]) {
        guard start < bytes.count else { return }
        let count = bytes.count - start
        for (index, offset) in offsets.enumerated() {
            let end = offsets.filter { $0 > offset }.min() ?? count
            guard offset < count, offset < min(end, count) else { continue }
            tensors[index].data = Array(bytes[(start + offset)..<(start + min(end, count))])
        }
    }
}

private struct RawReader {
    let bytes: [UInt8]
    var position = 0

    mutating func take(_ count: Int) -> [UInt8]? {
        guard count >= 0, count <= bytes.count - position else { return nil }
        defer { position += count }
        return Array(bytes[position..<position + count])
    }

    mutating func number<Value: FixedWidthInteger>(_: Value.Type) -> Value? {
        guard let part = take(Value.bitWidth / 8) else { return nil }
        return part.reversed().reduce(0) { $0 << 8 | Value(truncatingIfNeeded: $1) }
    }

    mutating func string() -> [UInt8]? {
        number(UInt64.self).flatMap { Int(exactly: $0) }.flatMap { take($0) }
    }

    private static let sizes: [UInt32: Int] = [
        0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8,
    ]

    mutating func skipValue(_ type: UInt32, depth: Int) -> Bool {
        if let size = Self.sizes[type] { return take(size) != nil }
        if type == 8 { return string() != nil }
        guard type == 9, depth < 4, let element = number(UInt32.self),
            let count = number(UInt64.self), count <= UInt64(bytes.count - position)
        else { return false }
        for _ in 0..<count where !skipValue(element, depth: depth + 1) { return false }
        return true
    }
}
