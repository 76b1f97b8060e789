// SPDX-License-Identifier: MIT
//
// asio - the server as a user of Boost.Asio writes it: one io_context, one thread
//
// Tuned: no threads, so no locks; a connection waits for readability and then reads without
// blocking into one buffer of 256 KiB that all share; all acks of a read in one write.
#define BOOST_ASIO_DISABLE_THREADS
#include <boost/asio.hpp>

#include <memory>
#include <vector>

#include "answer.h"

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

// A frame's beginning is put in front of what is read next.
static unsigned char receive_buffer[FRAME_SIZE_MAX + READ_SIZE];
static unsigned char acks[ACKS_SIZE_MAX];

class Connection : public std::enable_shared_from_this<Connection>
{
  public:
    explicit Connection(tcp::socket socket) : socket_(std::move(socket))
    {
        socket_.non_blocking(true);
        socket_.set_option(tcp::no_delay(true));
    }

    void wait()
    {
        socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](error_code error) {
            if (!error)
                self->read();
        });
    }

  private:
    void read()
    {
        error_code error;

        std::copy(stash_.begin(), stash_.end(), receive_buffer);
        const size_t size =
            socket_.read_some(asio::buffer(receive_buffer + stash_.size(), READ_SIZE), error);
        if (error == asio::error::would_block)
            return wait();
        if (error)
            return; // the last reference goes, and with it the socket

        const size_t total = stash_.size() + size;
        const struct answer answer = answer_requests(receive_buffer, total, acks);
        stash_.assign(receive_buffer + answer.used, receive_buffer + total);
        broken_ = answer.broken;
        send(answer.ack_size);
    }

    // While acks wait for the socket the connection is not read.
    void send(size_t size)
    {
        error_code error;
        const size_t sent = size ? socket_.write_some(asio::buffer(acks, size), error) : 0;

        if (error && error != asio::error::would_block)
            return;
        if (sent == size)
            return go_on();
        unsent_.assign(acks + sent, acks + size);
        asio::async_write(socket_, asio::buffer(unsent_),
                          [self = shared_from_this()](error_code failed, size_t) {
                              if (!failed)
                                  self->go_on();
                          });
    }

    void go_on()
    {
        if (!broken_)
            wait();
    }

    tcp::socket socket_;
    std::vector<unsigned char> stash_;
    std::vector<unsigned char> unsent_;
    bool broken_ = false;
};

static void accept(tcp::acceptor &acceptor)
{
    acceptor.async_accept([&acceptor](error_code error, tcp::socket socket) {
        if (!error)
            std::make_shared<Connection>(std::move(socket))->wait();
        accept(acceptor);
    });
}

int main(int argc, char **argv)
{
    asio::io_context context(1);
    tcp::acceptor acceptor(context, tcp::endpoint(asio::ip::address_v4::loopback(), 0));

    if (argc != 2 || announce(argv[1], acceptor.local_endpoint().port()) < 0)
        return 64;
    accept(acceptor);
    context.run();
}
