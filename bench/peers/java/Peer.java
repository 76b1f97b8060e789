// SPDX-License-Identifier: MIT

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The server as a user of Java NIO writes it: one thread, one selector.
 *
 * <p>Tuned: direct buffers of 256 KiB that all connections share, one write for all acks of a read,
 * SerialGC (there is next to no garbage).
 */
public final class Peer {
    private static final int REQUEST_SIZE_MIN = 13;
    private static final int FRAME_SIZE_MAX = 64 * 1024;
    private static final int ACK_SIZE = 14;
    private static final int READ_SIZE = 256 * 1024;

    /** What a connection keeps between two reads. */
    private static final class Connection {
        byte[] stash = {}; // the beginning of a frame
        ByteBuffer unsent; // null = nothing waits; else the connection is not read
        boolean broken;
    }

    // A frame's beginning is put in front of what is read next.
    private final ByteBuffer input = ByteBuffer.allocateDirect(FRAME_SIZE_MAX + READ_SIZE);
    private final ByteBuffer acks =
            ByteBuffer.allocateDirect(input.capacity() / REQUEST_SIZE_MIN * ACK_SIZE);
    private final Selector selector = Selector.open();
    private final ServerSocketChannel listener = ServerSocketChannel.open();

    private Peer() throws IOException {
        listener.bind(new InetSocketAddress(InetAddress.getByName("127.0.0.1"), 0), 4096);
        listener.configureBlocking(false);
        listener.register(selector, SelectionKey.OP_ACCEPT);
    }

    private void accept() throws IOException {
        for (SocketChannel channel; (channel = listener.accept()) != null; ) {
            channel.configureBlocking(false);
            channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
            channel.register(selector, SelectionKey.OP_READ, new Connection());
        }
    }

    /** Acks the complete requests in input; false when something is none. */
    private boolean answer() {
        while (input.remaining() >= 4) {
            final int at = input.position();
            final int size = input.getInt(at);
            if (size < REQUEST_SIZE_MIN || size > FRAME_SIZE_MAX) {
                return false;
            }
            final byte command = input.remaining() > 4 ? input.get(at + 4) : 1;
            if (command != 1 && command != 2) {
                return false;
            }
            if (input.remaining() < size) {
                return true;
            }
            acks.putInt(ACK_SIZE).put((byte) (command | 0x80));
            acks.putLong(input.getLong(at + 5)).put((byte) 0);
            input.position(at + size);
        }
        return true;
    }

    private void read(SelectionKey key, SocketChannel channel, Connection connection)
            throws IOException {
        input.clear().put(connection.stash);
        if (channel.read(input) < 0) {
            channel.close();
            return;
        }
        input.flip();
        acks.clear();
        connection.broken = !answer();
        if (input.hasRemaining() || connection.stash.length > 0) {
            connection.stash = new byte[input.remaining()];
            input.get(connection.stash);
        }
        acks.flip();
        if (acks.hasRemaining()) {
            channel.write(acks);
        }
        if (acks.hasRemaining()) {
            connection.unsent = ByteBuffer.allocate(acks.remaining()).put(acks).flip();
            key.interestOps(SelectionKey.OP_WRITE);
        } else if (connection.broken) {
            channel.close();
        }
    }

    private void write(SelectionKey key, SocketChannel channel, Connection connection)
            throws IOException {
        channel.write(connection.unsent);
        if (connection.unsent.hasRemaining()) {
            return;
        }
        connection.unsent = null;
        if (connection.broken) {
            channel.close();
        } else {
            key.interestOps(SelectionKey.OP_READ);
        }
    }

    private void serve(SelectionKey key) {
        try {
            if (key.isAcceptable()) {
                accept();
                return;
            }
            final SocketChannel channel = (SocketChannel) key.channel();
            final Connection connection = (Connection) key.attachment();
            if (key.isReadable()) {
                read(key, channel, connection);
            } else {
                write(key, channel, connection);
            }
        } catch (IOException e) {
            try {
                key.channel().close();
            } catch (IOException ignored) {
                // it is gone either way
            }
        }
    }

    public static void main(String[] args) throws IOException {
        final Peer peer = new Peer();
        final int port = peer.listener.socket().getLocalPort();
        Files.writeString(Path.of(args[0]), "listen 127.0.0.1:" + port + "\n");
        while (true) {
            peer.selector.select(peer::serve);
        }
    }
}
