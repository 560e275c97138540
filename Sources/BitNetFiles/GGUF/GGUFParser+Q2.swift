// Type id 42: Q2_0 in llama.cpp, in groups of 64 weights, or of 128 in a fork whose files are in use;
// TL2 in bitnet.cpp since 2026. What the file has room for tells which it is.
extension GGUFParser {
    /// Settles the type of the tensors with that id, all of them the same.
    func settleQ2(_ infos: inout [Info]) throws(BitNetError) {
        let places = infos.indices.filter { infos[$0].settledSize == nil }
        guard let first = places.first else { return }
        let data = try self.data
        let rooms = GGUFParser.rooms(of: infos, dataCount: data.count)
        func fits(_ size: Int?, _ index: Int) -> Bool {
            guard let size, let room = rooms[index] else { return false }
            return size <= room && room - size < header.alignment
        }
        func fitsWithPadding(_ size: Int?, _ index: Int) throws(BitNetError) -> Bool {
            guard let size, let room = rooms[index], size <= room else { return false }
            let start = infos[index].offset
            guard start + room <= data.count else { return false }
            return try data.isZero(start + size..<start + room)
        }
        func types(
            _ fits: (Int?, Int) throws(BitNetError) -> Bool
        ) throws(BitNetError) -> [ElementType] {
            var types: [ElementType] = []
            for type in [ElementType.q2_0, .q2_0_128] {
                var isFitting = true
                for place in places where isFitting {
                    isFitting = try fits(type.storedByteCount(shape: infos[place].shape), place)
                }
                if isFitting { types.append(type) }
            }
            return types
        }
        var candidates = try types(fits)
        if candidates.isEmpty { candidates = try types(fitsWithPadding) }
        let isTL2 = places.allSatisfy { fits(GGUFParser.tl2Size(infos[$0].shape), $0) }
        let isBitNet = architecture.hasPrefix("bitnet")
        guard candidates.count == 1, !(isTL2 && isBitNet) else {
            throw GGUFTensorType.ambiguousQ2(
                tensor: infos[first].name, path: path, isTL2: isTL2 && candidates.isEmpty,
                isEither: candidates.count > 1)
        }
        for index in places {
            infos[index].type = candidates[0]
            infos[index].settledSize = candidates[0].storedByteCount(shape: infos[index].shape)
        }
    }

    /// Bytes from each tensor to the next one, or to the end of the data; nil beyond that.
    private static func rooms(of infos: [Info], dataCount: Int) -> [Int?] {
        let sorted = infos.indices.sorted { infos[$0].offset < infos[$1].offset }
        var rooms = [Int?](repeating: nil, count: infos.count)
        for (place, index) in sorted.enumerated() {
            let end = place + 1 < sorted.count ? infos[sorted[place + 1]].offset : dataCount
            if end >= infos[index].offset { rooms[index] = end - infos[index].offset }
        }
        return rooms
    }

    /// Bytes of a TL2 tensor: triples of columns, the last 256 columns as pairs.
    private static func tl2Size(_ shape: [Int]) -> Int? {
        guard shape.count == 2, shape[1] >= 256, shape[0] < 1 << 28, shape[1] < 1 << 28 else {
            return nil
        }
        let (rows, columns) = (shape[0], shape[1])
        let bytes = (columns - 256) * rows / 3 * 5 / 8 + 64 * rows
        return (bytes + 31) / 32 * 32 + 32
    }
}
