package mailer

import (
	"fmt"
	"net/smtp"
	"time"
)

// Relay is the mail server that messages are handed to.
type Relay struct {
	Host    string
	Port    int
	Timeout time.Duration
}

// Send hands one message to the relay over an encrypted connection.
func (r Relay) Send(m Message, body []byte) error {
	client, err := r.dial()
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.Mail("shop@example.org"); err != nil {
		return fmt.Errorf("relay refused the sender: %w", err)
	}
	if err := client.Rcpt(m.To); err != nil {
		return fmt.Errorf("relay refused the recipient %s: %w", m.To, err)
	}
	return write(client, body)
}

func (r Relay) dial() (*smtp.Client, error) {
	client, err := smtp.Dial(fmt.Sprintf("%s:%d", r.Host, r.Port))
	if err != nil {
		return nil, fmt.Errorf("cannot reach the relay: %w", err)
	}
	if ok, _ := client.Extension("STARTTLS"); !ok {
		client.Close()
		return nil, fmt.Errorf("%s does not offer STARTTLS", r.Host)
	}
	return client, nil
}

func write(client *smtp.Client, body []byte) error {
	w, err := client.Data()
	if err != nil {
		return err
	}
	defer w.Close()
	_, err = w.Write(body)
	return err
}
