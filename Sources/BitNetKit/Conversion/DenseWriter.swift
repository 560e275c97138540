/// Writes an embedding or an LM head to a GGUF file, a few rows at a time.
struct DenseWriter {
    let source: CheckpointTensor
    let info: AnnouncedTensor
    /// The source, for errors.
    let path: String

    /// Bytes of the source that are read before they are written.
    private static let chunkBytes = 4 << 20

    private var columns: Int { info.shape[1] }

    /// Returns the squared error relative to the squared weights.
    func write(
        to writer: inout GGUFWriter, pool: WorkerPool
    ) throws(BitNetError) -> Double {
        let rowBytes = columns / source.type.block.elements * source.type.block.bytes
        let chunk = max(1, DenseWriter.chunkBytes / max(1, rowBytes))
        let width = columns / info.type.block.elements * info.type.block.bytes
        let encoded = try AlignedBuffer<UInt8>(
            count: source.type == info.type ? 0 : min(chunk, info.shape[0]) * width,
            purpose: info.name)
        var error = StorageError()
        for begin in stride(from: 0, to: info.shape[0], by: chunk) {
            if Task.isCancelled { throw .cancelled }
            let rows = begin..<min(begin + chunk, info.shape[0])
            let region = try source.region.slice(
                rows.lowerBound * rowBytes..<rows.upperBound * rowBytes
            ).read()
            if source.type == info.type {
                try writer.append(region, to: info.name)
            } else {
                let bytes = encoded.view[0..<rows.count * width]
                error.add(try encode(region, rows: rows, into: bytes, pool: pool))
                try writer.append(bytes.array, to: info.name)
            }
        }
        return error.relative
    }

    /// Encodes some rows, all threads at once.
    private func encode(
        _ region: ByteRegion, rows: Range<Int>, into bytes: BufferView<UInt8>, pool: WorkerPool
    ) throws(BitNetError) -> StorageError {
        let (rowBytes, width) = (region.count / rows.count, bytes.count / rows.count)
        let errors = try AlignedBuffer<StorageError>(count: rows.count, purpose: info.name)
        let work = rows.count * columns * elementWork
        try pool.tryParallel(rows.count, work: work) { (_, part) throws(BitNetError) in
            let values = try AlignedBuffer<Float>(count: columns, purpose: info.name)
            let stored = try AlignedBuffer<Float>(count: columns, purpose: info.name)
            for row in part {
                let target = bytes[row * width..<(row + 1) * width]
                try region.slice(row * rowBytes..<(row + 1) * rowBytes).withUnsafeBytes {
                    Codec.decode(source.type, $0, into: values.view)
                }
                Codec.encode(info.type, values.view, into: target)
                target.withBytes { Codec.decode(info.type, $0, into: stored.view) }
                guard stored.view.isFinite else { throw doesNotFit(rows.lowerBound + row) }
                errors.view[row].add(values.view, storedAs: stored.view)
            }
        }
        // Added in the order of the rows, so that the sum does not depend on the threads.
        var sum = StorageError()
        for error in errors.array { sum.add(error) }
        return sum
    }

    private func doesNotFit(_ row: Int) -> BitNetError {
        .unsupportedFormat(
            path: path,
            detail: "row \(row) of tensor \(info.name.quoted) does not fit \(info.type.rawValue)",
            remedy: "it is damaged, or needs --embedding bf16 or f32")
    }
}
