"""What makes a socket type what it is: patterns join pipes and strategies; they know no links."""
